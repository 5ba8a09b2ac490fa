//! What lies compressed inside other bytes.

use flate2::read::{GzDecoder, ZlibDecoder};
use std::io::Read;

/// Every gzip and zlib stream in these bytes, with where it starts. What only looks like one gives
/// nothing; what breaks off gives what came before.
pub(super) fn streams(content: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let starts = content.windows(2).enumerate();
    starts.filter_map(|(at, head)| Some((at, inflate(head, &content[at..])?))).collect()
}

fn inflate(head: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    let mut found = Vec::new();
    // The error at the end of a broken stream does not matter: what was read of it does.
    let _ = match head {
        [0x1f, 0x8b] => GzDecoder::new(content).take(INFLATED_BYTES_MAX).read_to_end(&mut found),
        // A zlib header: deflate with a window of 32 KiB, at one of its four levels.
        [0x78, 0x01 | 0x5e | 0x9c | 0xda] => {
            ZlibDecoder::new(content).take(INFLATED_BYTES_MAX).read_to_end(&mut found)
        }
        _ => return None,
    };
    (!found.is_empty()).then_some(found)
}

const INFLATED_BYTES_MAX: u64 = 64 << 20;
