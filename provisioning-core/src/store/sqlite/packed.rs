//! Large plans are kept packed: they say the same of every resource, and a disk takes longer to write that than a processor to
//! leave it out.

use lz4_flex::block::{compress_prepend_size, decompress, uncompressed_size};

use crate::digest::Digest;
use crate::error::Result;
use crate::store::text::{MAX_PLAN_BYTES, corrupt};

/// From how many bytes on a text is packed: below, who looks into the file finds it as it is.
const LARGE: usize = 1 << 16;

/// A text as it is kept.
pub(super) enum Body {
    Plain(Vec<u8>),
    /// Its length, and an LZ4 block.
    Packed(Vec<u8>),
}

impl Body {
    pub(super) fn new(text: Vec<u8>) -> Self {
        if text.len() < LARGE { Self::Plain(text) } else { Self::Packed(compress_prepend_size(&text)) }
    }

    /// The text of the plan that is kept under a hash.
    ///
    /// # Errors
    /// `Corrupt` when it was packed and is not whole.
    pub(super) fn text(self, hash: &Digest) -> Result<Vec<u8>> {
        match self {
            Self::Plain(text) => Ok(text),
            Self::Packed(packed) => unpack(hash, &packed),
        }
    }
}

fn unpack(hash: &Digest, packed: &[u8]) -> Result<Vec<u8>> {
    let damaged = |why: String| corrupt(format!("the plan `{}` cannot be read: {why}", hash.short()));
    let (length, block) = uncompressed_size(packed).map_err(|error| damaged(error.to_string()))?;
    // Whoever damaged it may have put any number there.
    if length > MAX_PLAN_BYTES {
        return Err(damaged(format!("it says that it takes {length} bytes, the limit is {MAX_PLAN_BYTES}")));
    }
    let text = decompress(block, length).map_err(|error| damaged(error.to_string()))?;
    if text.len() == length { Ok(text) } else { Err(damaged(format!("{} of {length} bytes are there", text.len()))) }
}
