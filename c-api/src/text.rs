//! Texts of C as UTF-8.

use spanpin::Error;
use spanpin::buffer::Buffer;

/// Stand-ins for texts that are not UTF-8: each invalid sequence is replaced by U+FFFD. Holds memory only if there
/// are such texts.
pub(crate) struct Repaired {
    text: Buffer,
}

impl Repaired {
    /// Stand-ins for those of `texts` that need one, in order.
    pub(crate) fn of<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Result<Self, Error> {
        let mut text = Buffer::new();
        for bytes in texts.filter(|bytes| core::str::from_utf8(bytes).is_err()) {
            for chunk in bytes.utf8_chunks() {
                text.put_str(chunk.valid());
                if !chunk.invalid().is_empty() {
                    text.put_str("\u{fffd}");
                }
            }
        }
        text.finish()?;
        Ok(Self { text })
    }

    /// Walks the same texts in the same order.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk { rest: core::str::from_utf8(self.text.as_slice()).unwrap_or_default() }
    }
}

/// See [`Repaired::walk`].
#[derive(Clone)]
pub(crate) struct Walk<'a> {
    rest: &'a str,
}

impl<'a> Walk<'a> {
    /// The text, or its stand-in.
    pub(crate) fn next(&mut self, bytes: &'a [u8]) -> &'a str {
        if let Ok(text) = core::str::from_utf8(bytes) {
            return text;
        }
        let lossy = |chunk: core::str::Utf8Chunk<'_>| {
            let replacement = if chunk.invalid().is_empty() { 0 } else { char::REPLACEMENT_CHARACTER.len_utf8() };
            chunk.valid().len().saturating_add(replacement)
        };
        let len = bytes.utf8_chunks().map(lossy).fold(0_usize, usize::saturating_add);
        let (text, rest) = self.rest.split_at_checked(len).unwrap_or_default();
        self.rest = rest;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_invalid_texts_are_replaced() {
        let texts: [&[u8]; 4] = [b"a", b"b\xffc\xc3", b"", b"\xff"];
        let repaired = Repaired::of(texts.into_iter()).unwrap();
        let mut walk = repaired.walk();
        let read: Vec<&str> = texts.into_iter().map(|bytes| walk.next(bytes)).collect();
        assert_eq!(read, ["a", "b\u{fffd}c\u{fffd}", "", "\u{fffd}"]);
        assert_eq!(Repaired::of([b"a".as_slice()].into_iter()).unwrap().text.capacity(), 0);
    }
}
