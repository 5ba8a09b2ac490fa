//! Asking a service of the own host over plain HTTP, and looking at nothing but the status.

use secretref_domain::loopback::LoopbackUrl;
use std::io;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends one request, with a JSON body or none, and gives the status of its answer. Redirects are
/// not followed. How long that may take, its caller says.
///
/// # Errors
/// Where nobody answers, or not in HTTP.
pub async fn ask(method: &str, url: &LoopbackUrl, json: Option<&str>) -> io::Result<u16> {
    let mut stream = TcpStream::connect(url.address()).await?;
    let (path, host) = (url.path(), url.address());
    let (kind, body) = match json {
        Some(body) => ("Content-Type: application/json\r\n", body),
        None => ("", ""),
    };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: secretref-sidecar\r\n\
         {kind}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(STATUS_BYTES_MAX);
    while !answer.contains(&b'\n') && answer.len() < STATUS_BYTES_MAX {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    status(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// `HTTP/1.1 200 OK` → 200.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    let code = rest.split(' ').next()?.trim_end();
    let known = version.starts_with("HTTP/1.") && code.len() == 3;
    code.parse().ok().filter(|_| known)
}

const STATUS_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests;
