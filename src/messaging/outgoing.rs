//! [`Outgoing`]: bytes on their way out, in order. Long pieces are passed on as they are, short ones gathered.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use crate::wire::messages::Frame;

/// Pieces below this length are copied together: a piece of its own costs more than copying it.
const GATHERED_LEN_MAX: usize = 4 * 1024;

/// Bytes on their way out.
#[derive(Debug, Default)]
pub struct Outgoing {
    pieces: VecDeque<Bytes>,
    gathered: BytesMut,
    len: usize,
}

impl Outgoing {
    /// Appends bytes.
    pub fn push(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        if bytes.len() <= GATHERED_LEN_MAX {
            self.gathered.extend_from_slice(&bytes);
            return;
        }
        self.close_gathered();
        self.pieces.push_back(bytes);
    }

    pub(super) fn push_frame(&mut self, id: u64, frame: &Frame) {
        let before = self.gathered.len();
        frame.encode_head(id, &mut self.gathered);
        self.len += self.gathered.len() - before;
        if let Some(data) = frame.data() {
            self.push(data.clone());
        }
    }

    /// Forgets the first `count` bytes: they were written.
    ///
    /// # Panics
    ///
    /// If there are not as many.
    pub fn advance(&mut self, mut count: usize) {
        self.len -= count;
        while let Some(first) = self.pieces.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.pieces.pop_front();
        }
        self.gathered.advance(count);
    }

    /// The first pieces, as many as `slices` has room for; how many there were.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let gathered = Some(&self.gathered[..]).filter(|bytes| !bytes.is_empty());
        let pieces = self.pieces.iter().map(|bytes| &bytes[..]).chain(gathered);
        let mut count = 0;
        for (slot, bytes) in slices.iter_mut().zip(pieces) {
            *slot = IoSlice::new(bytes);
            count += 1;
        }
        count
    }

    /// How many bytes wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none wait.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn close_gathered(&mut self) {
        if !self.gathered.is_empty() {
            self.pieces.push_back(self.gathered.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(outgoing: &Outgoing) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = outgoing.fill(&mut slices);
        slices[..count].iter().flat_map(|s| s.to_vec()).collect()
    }

    #[test]
    fn bytes_leave_in_order_whatever_is_written_at_a_time() {
        for step in [1, 7, 5_000, 100_000] {
            let mut outgoing = Outgoing::default();
            let mut expected = Vec::new();
            for (fill, len) in [(1, 10), (2, 9_000), (3, 1), (4, 2), (5, 20_000), (6, 30)] {
                outgoing.push(vec![fill; len].into());
                expected.extend(vec![fill; len]);
            }
            let mut written = Vec::new();
            while !outgoing.is_empty() {
                let count = step.min(outgoing.len());
                written.extend_from_slice(&all(&outgoing)[..count]);
                outgoing.advance(count);
            }
            assert_eq!(written, expected);
        }
    }
}
