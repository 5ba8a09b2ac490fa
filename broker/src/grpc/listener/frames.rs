//! How many HTTP/2 frames a peer has sent. A frame costs the broker something however small it is:
//! a ping of 17 bytes is answered, a settings frame of 9 is applied and acknowledged.
//!
//! ```text
//! preface (24)   length (3) type (1) flags (1) stream (4)   payload (length)   length …
//! ```

/// Counts the frames of one connection, without a look at what is in them.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes until the next header begins.
    rest: usize,
    /// What came of a header so far.
    header: [u8; HEADER_BYTES],
    filled: usize,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self { rest: PREFACE_BYTES, header: [0; HEADER_BYTES], filled: 0 }
    }

    /// Takes what was read, and says how many frames begin in it.
    pub(super) fn count(&mut self, mut bytes: &[u8]) -> usize {
        let mut begun = 0;
        while !bytes.is_empty() {
            if self.rest > 0 {
                let skipped = self.rest.min(bytes.len());
                self.rest -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEADER_BYTES - self.filled).min(bytes.len());
            self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEADER_BYTES {
                let [high, middle, low, ..] = self.header;
                self.rest = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.filled = 0;
                begun += 1;
            }
        }
        begun
    }
}

/// What every client of HTTP/2 says first.
const PREFACE_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;

#[cfg(test)]
mod tests;
