//! The frames of one direction of an HTTP/2 connection (RFC 9113, section 4.1), as far as the server follows them.

pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const HEADER_LENGTH: usize = 9;
const SETTING_LENGTH: usize = 6;
const UPDATE_LENGTH: usize = 4;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

const FLAG_ACK: u8 = 0x1;
const FLAG_END_STREAM: u8 = 0x1;
const FLAG_END_HEADERS: u8 = 0x4;

const SETTINGS_INITIAL_WINDOW_SIZE: u16 = 0x4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameEvent {
    Headers {
        stream: u32,
        ends_stream: bool,
    },
    /// The head of a DATA frame; `length` is what it takes of the windows.
    Data {
        stream: u32,
        length: u32,
        ends_stream: bool,
    },
    /// Bytes of a DATA frame's payload.
    Payload {
        stream: u32,
        bytes: usize,
    },
    Reset {
        stream: u32,
    },
    InitialWindow(u32),
    WindowUpdate {
        stream: u32,
        increment: u32,
    },
}

/// Reads frames from bytes that come in any parts.
#[derive(Debug, Default)]
pub(crate) struct FrameScanner {
    header: [u8; HEADER_LENGTH],
    /// Bytes of `header` that are there; the whole length while a payload is read.
    filled: usize,
    payload_left: u32,
    /// The bytes of a payload's entry that has begun: a setting, or an increment.
    entry: [u8; SETTING_LENGTH],
    entry_filled: usize,
    is_in_header_block: bool,
}

impl FrameScanner {
    /// Between two frames, where a frame of any kind may stand.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.filled == 0 && !self.is_in_header_block
    }

    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut on: impl FnMut(FrameEvent)) {
        while !bytes.is_empty() {
            if self.filled < HEADER_LENGTH {
                bytes = fill(&mut self.header, &mut self.filled, bytes);
                if self.filled == HEADER_LENGTH {
                    self.start(&mut on);
                }
                continue;
            }
            let length = bytes.len().min(self.payload_left as usize);
            let (payload, rest) = bytes.split_at(length);
            self.payload(payload, &mut on);
            self.payload_left -= length as u32;
            self.end_if_complete();
            bytes = rest;
        }
    }

    fn kind(&self) -> u8 {
        self.header[3]
    }

    fn has_flag(&self, flag: u8) -> bool {
        self.header[4] & flag != 0
    }

    fn stream(&self) -> u32 {
        let [.., a, b, c, d] = self.header;
        u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff
    }

    fn start(&mut self, on: &mut impl FnMut(FrameEvent)) {
        let [a, b, c, ..] = self.header;
        self.payload_left = u32::from_be_bytes([0, a, b, c]);
        self.entry_filled = 0;
        let (stream, ends_stream) = (self.stream(), self.has_flag(FLAG_END_STREAM));
        match self.kind() {
            DATA => on(FrameEvent::Data { stream, length: self.payload_left, ends_stream }),
            HEADERS => {
                self.is_in_header_block = !self.has_flag(FLAG_END_HEADERS);
                on(FrameEvent::Headers { stream, ends_stream });
            }
            CONTINUATION if self.has_flag(FLAG_END_HEADERS) => self.is_in_header_block = false,
            RST_STREAM => on(FrameEvent::Reset { stream }),
            _ => {}
        }
        self.end_if_complete();
    }

    fn end_if_complete(&mut self) {
        if self.payload_left == 0 {
            self.filled = 0;
        }
    }

    fn payload(&mut self, mut payload: &[u8], on: &mut impl FnMut(FrameEvent)) {
        let stream = self.stream();
        match self.kind() {
            DATA => on(FrameEvent::Payload { stream, bytes: payload.len() }),
            SETTINGS if !self.has_flag(FLAG_ACK) => {
                while !payload.is_empty() {
                    payload = fill(&mut self.entry, &mut self.entry_filled, payload);
                    if self.entry_filled < SETTING_LENGTH {
                        continue;
                    }
                    self.entry_filled = 0;
                    let [a, b, value @ ..] = self.entry;
                    if u16::from_be_bytes([a, b]) == SETTINGS_INITIAL_WINDOW_SIZE {
                        on(FrameEvent::InitialWindow(u32::from_be_bytes(value)));
                    }
                }
            }
            WINDOW_UPDATE => {
                fill(&mut self.entry[..UPDATE_LENGTH], &mut self.entry_filled, payload);
                if self.entry_filled == UPDATE_LENGTH {
                    self.entry_filled = SETTING_LENGTH;
                    let [a, b, c, d, ..] = self.entry;
                    let increment = u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff;
                    on(FrameEvent::WindowUpdate { stream, increment });
                }
            }
            _ => {}
        }
    }
}

/// Moves bytes into `place` from where it is filled to; returns the rest.
fn fill<'a>(place: &mut [u8], filled: &mut usize, bytes: &'a [u8]) -> &'a [u8] {
    let room = place.get_mut(*filled..).unwrap_or_default();
    let (taken, rest) = bytes.split_at(bytes.len().min(room.len()));
    room[..taken.len()].copy_from_slice(taken);
    *filled += taken.len();
    rest
}

/// A request's trailers that do not end their stream: a malformed message, for which section 8.1.1 wants
/// that stream reset, and no other.
pub(crate) fn malformed_trailers(stream: u32) -> [u8; HEADER_LENGTH] {
    let [a, b, c, d] = stream.to_be_bytes();
    [0, 0, 0, HEADERS, FLAG_END_HEADERS, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FrameEvent, FrameScanner, malformed_trailers};

    fn events(parts: &[&[u8]]) -> (Vec<FrameEvent>, bool) {
        let (mut scanner, mut events) = (FrameScanner::default(), Vec::new());
        for part in parts {
            scanner.feed(part, |event| match (events.last_mut(), event) {
                // A payload may come in parts.
                (
                    Some(FrameEvent::Payload { stream, bytes }),
                    FrameEvent::Payload { stream: of, bytes: more },
                ) if *stream == of => *bytes += more,
                _ => events.push(event),
            });
        }
        (events, scanner.is_at_boundary())
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
        [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    #[test]
    fn relevant_frames_are_events() {
        let bytes = [
            frame(4, 0, 0, &[0, 3, 0, 0, 0, 100, 0, 4, 0, 1, 0, 0]),
            frame(4, 1, 0, &[]),
            frame(1, 4, 1, b"headers"),
            frame(0, 0, 1, b"body"),
            frame(6, 0, 0, b"pingping"),
            frame(8, 0, 1, &[0x80, 0, 1, 2]),
            frame(0, 1, 1, b""),
            frame(3, 0, 3, &[0, 0, 0, 8]),
        ];
        let (events, is_at_boundary) = events(&[&bytes.concat()]);
        assert!(is_at_boundary);
        assert_eq!(
            events,
            [
                FrameEvent::InitialWindow(65_536),
                FrameEvent::Headers { stream: 1, ends_stream: false },
                FrameEvent::Data { stream: 1, length: 4, ends_stream: false },
                FrameEvent::Payload { stream: 1, bytes: 4 },
                FrameEvent::WindowUpdate { stream: 1, increment: 258 },
                FrameEvent::Data { stream: 1, length: 0, ends_stream: true },
                FrameEvent::Reset { stream: 3 },
            ]
        );
    }

    #[test]
    fn header_block_of_several_frames_has_no_inner_boundary() {
        let head = frame(1, 0, 1, b"head");
        assert!(!events(&[&head]).1);
        assert!(!events(&[&head, &frame(9, 0, 1, b"ers")]).1);
        assert!(events(&[&head, &frame(9, 4, 1, b"ers")]).1);
        assert!(events(&[&malformed_trailers(7)]).1);
    }

    proptest! {
        #[test]
        fn bytes_in_parts_of_any_size_give_same_events(
            frames in prop::collection::vec(
                (0u8..10, any::<u8>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..40)),
                0..12,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let bytes: Vec<u8> = frames
                .iter()
                .flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload))
                .collect();
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            ends.extend([0, bytes.len()]);
            ends.sort_unstable();
            let parts: Vec<&[u8]> =
                ends.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events(&parts), events(&[&bytes]));
        }

        #[test]
        fn arbitrary_bytes_are_parsed_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let (_, is_at_boundary) = events(&[&bytes]);
            prop_assert!(is_at_boundary || !bytes.is_empty());
        }
    }
}
