//! Puts TCP segments back in order, as far as the beginning of each direction goes.

use std::net::SocketAddr;

/// One TCP segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) source: SocketAddr,
    pub(crate) target: SocketAddr,
    pub(crate) sequence: u32,
    /// It is the first of its direction (SYN).
    pub(crate) opens: bool,
    pub(crate) payload: &'a [u8],
}

/// One direction of one connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) source: SocketAddr,
    pub(crate) target: SocketAddr,
    /// Its first bytes, at most [`HEAD_LEN_MAX`], as far as they are there without a gap; `None` if bytes passed but the
    /// beginning is missing from the capture.
    pub(crate) head: Option<Vec<u8>>,
}

/// How much of a stream is kept.
pub(crate) const HEAD_LEN_MAX: usize = 64;

/// All streams seen so far, in the order in which they were opened.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: Vec<Partial>,
}

#[derive(Debug)]
struct Partial {
    source: SocketAddr,
    target: SocketAddr,
    /// The sequence number of the first byte, if the opening was seen.
    first: Option<u32>,
    head: [Option<u8>; HEAD_LEN_MAX],
}

impl Streams {
    /// Takes a segment in. One that opens a stream anew, with a number of its own, begins another stream between the same
    /// ports; sent twice, it does not.
    pub(crate) fn add(&mut self, segment: &Segment<'_>) {
        let first = segment.opens.then(|| segment.sequence.wrapping_add(1));
        let held = self.open.iter().rposition(|stream| {
            (stream.source, stream.target) == (segment.source, segment.target)
                && (first.is_none() || stream.first == first)
        });
        let index = match held {
            Some(index) => index,
            None if segment.opens || !segment.payload.is_empty() => self.begin(segment, first),
            None => return,
        };
        self.open[index].fill(segment);
    }

    pub(crate) fn into_streams(self) -> Vec<Stream> {
        self.open.into_iter().map(Partial::finish).collect()
    }

    fn begin(&mut self, segment: &Segment<'_>, first: Option<u32>) -> usize {
        self.open.push(Partial {
            source: segment.source,
            target: segment.target,
            first,
            head: [None; HEAD_LEN_MAX],
        });
        self.open.len() - 1
    }
}

impl Partial {
    fn fill(&mut self, segment: &Segment<'_>) {
        let Some(first) = self.first else {
            return;
        };
        let sequence = segment.sequence.wrapping_add(u32::from(segment.opens));
        let offset = sequence.wrapping_sub(first) as usize;
        for (place, byte) in self.head.iter_mut().skip(offset).zip(segment.payload) {
            place.get_or_insert(*byte);
        }
    }

    fn finish(self) -> Stream {
        let head = self.head.into_iter().map_while(|byte| byte).collect();
        Stream {
            source: self.source,
            target: self.target,
            head: self.first.map(|_| head),
        }
    }
}
