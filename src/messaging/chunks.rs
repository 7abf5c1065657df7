//! [`Chunks`]: the bytes of one direction of a stream that wait, in order. Many short pieces take no more memory than their
//! bytes: they are copied together.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces below this length are copied together. A longer one that came in a read buffer keeps it alive, so memory is at most
/// the length of that buffer over this times the bytes that wait.
pub(super) const COPIED_LEN_MAX: usize = 48 * 1024;

/// Pieces are gathered up to this length.
const GATHERED_LEN: usize = 64 * 1024;

/// Bytes that wait.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    whole: VecDeque<Bytes>,
    gathered: BytesMut,
    len: usize,
}

impl Chunks {
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() < COPIED_LEN_MAX {
            self.push_slice(&bytes);
            return;
        }
        self.len += bytes.len();
        self.close_gathered();
        self.whole.push_back(bytes);
    }

    pub(super) fn push_slice(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHERED_LEN {
            self.close_gathered();
        }
    }

    /// Some of the first bytes, at most `max`; `None` if there are none.
    pub(super) fn pop(&mut self, max: usize) -> Option<Bytes> {
        if self.whole.is_empty() {
            self.close_gathered();
        }
        let first = self.whole.front_mut()?;
        let popped = if first.len() > max {
            first.split_to(max)
        } else {
            self.whole.pop_front()?
        };
        self.len -= popped.len();
        Some(popped)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory it takes, slices of longer buffers counted by their own length.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let whole: usize = self.whole.iter().map(Bytes::len).sum();
        whole + self.gathered.capacity() + self.whole.len() * size_of::<Bytes>()
    }

    fn close_gathered(&mut self) {
        if !self.gathered.is_empty() {
            self.whole.push_back(self.gathered.split().freeze());
        }
    }
}

/// A message that comes in segments. The buffer grows with what has arrived, never ahead of it.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    bytes: BytesMut,
}

impl Assembly {
    /// Starts with the first segment.
    pub(super) fn new(first: &[u8]) -> Self {
        Self {
            bytes: first.into(),
        }
    }

    pub(super) fn push(&mut self, segment: &[u8]) {
        self.bytes.extend_from_slice(segment);
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn finish(self) -> Bytes {
        self.bytes.freeze()
    }
}

/// Bytes to keep: a copy of a few, the very ones if they are many.
pub(super) fn kept(bytes: Bytes) -> Bytes {
    if bytes.len() < COPIED_LEN_MAX {
        Bytes::copy_from_slice(&bytes)
    } else {
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_and_none_is_missing() {
        let mut chunks = Chunks::default();
        let mut expected = Vec::new();
        for (fill, len) in [
            (1, 5),
            (2, 40_000),
            (3, 1),
            (4, 70_000),
            (5, 31_000),
            (6, 2),
        ] {
            chunks.push(vec![fill; len].into());
            expected.extend(vec![fill; len]);
        }
        assert_eq!(chunks.len(), expected.len());
        let mut got = Vec::new();
        while let Some(bytes) = chunks.pop(30_000) {
            assert!((1..=30_000).contains(&bytes.len()));
            got.extend_from_slice(&bytes);
        }
        assert!(chunks.is_empty() && got == expected);
    }

    #[test]
    fn many_short_pieces_become_few() {
        let mut chunks = Chunks::default();
        for _ in 0..1 << 20 {
            chunks.push_slice(&[0]);
        }
        assert!(chunks.whole.len() <= (1 << 20) / GATHERED_LEN);
    }
}
