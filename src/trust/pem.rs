//! Reads PEM (RFC 7468, read laxly) so that no certificate is ever lost without a word.
//!
//! Chain files are made by `cat`, edited by hand and moved between systems, and the usual readers skip what they do not
//! recognise: a label, a byte order mark, a line end that went missing where two files met. A trust store that came out
//! empty is then found only when the first handshake fails. Here every `BEGIN` yields a block or an error.
//!
//! * Text outside blocks is ignored, except where it looks like a marker that was damaged.
//! * A marker may stand anywhere in a line, so `-----END X----------BEGIN X-----` is two markers.
//! * Line ends are LF, CRLF or CR; white space inside a block means nothing; the base64 itself is strict.
//! * Bodies are decoded on demand: a private key between two certificates is never copied.

#[cfg(feature = "daemon")]
use rustls::pki_types::CertificateDer;
use thiserror::Error;
use zeroize::Zeroizing;

/// One block of a PEM file, not yet decoded.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    /// What stands after `BEGIN`.
    pub(super) label: &'a str,
    /// The line of the `BEGIN` marker, from 1.
    pub(super) line: usize,
    body: &'a [u8],
}

impl Block<'_> {
    /// Whether the label is one of a certificate: `CERTIFICATE`, the old `X509 CERTIFICATE`, or OpenSSL's
    /// `TRUSTED CERTIFICATE`.
    pub(super) fn is_certificate(&self) -> bool {
        CERTIFICATE_LABELS.contains(&self.label)
    }

    /// Whether the DER in this block may be followed by trust settings, as `openssl x509 -trustout -addtrust` writes
    /// them.
    pub(super) fn may_have_trailer(&self) -> bool {
        self.label == "TRUSTED CERTIFICATE"
    }

    /// Whether the body starts with RFC 1421 headers that say it is encrypted.
    pub(super) fn is_legacy_encrypted(&self) -> bool {
        find(self.body, b"Proc-Type:").is_some() && find(self.body, b"ENCRYPTED").is_some()
    }

    /// The bytes of the block.
    ///
    /// # Errors
    ///
    /// [`PemError::BadBase64`] if the body is empty or not base64.
    pub(super) fn decode(&self) -> Result<Zeroizing<Vec<u8>>, PemError> {
        decode_base64(self.body).ok_or_else(|| PemError::BadBase64 {
            label: self.label.to_owned(),
            line: self.line,
        })
    }
}

/// Why a file is not PEM. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PemError {
    /// The text between the markers is not base64.
    #[error("the {label} block that begins in line {line} is not base64")]
    BadBase64 {
        /// The block's label.
        label: String,
        /// The line of its `BEGIN`.
        line: usize,
    },
    /// A line looks like a marker, but is not one: dashes are missing, or are not dashes.
    #[error(
        "line {line} looks like a damaged BEGIN or END line: five dashes are needed on both sides"
    )]
    DamagedMarker {
        /// Which line.
        line: usize,
    },
    /// A block ends that never began.
    #[error("line {line} ends a {label} block that never began")]
    EndWithoutBegin {
        /// The label after `END`.
        label: String,
        /// The line of the `END`.
        line: usize,
    },
    /// The labels after `BEGIN` and `END` differ.
    #[error("the {label} block that begins in line {line} is ended by END {end}")]
    LabelMismatch {
        /// The label after `BEGIN`.
        label: String,
        /// The label after `END`.
        end: String,
        /// The line of the `BEGIN`.
        line: usize,
    },
    /// The file ends, or another block begins, inside a block.
    #[error("the {label} block that begins in line {line} has no END line: the file was cut off")]
    NoEnd {
        /// The block's label.
        label: String,
        /// The line of its `BEGIN`.
        line: usize,
    },
}

/// All blocks of a file, in order, whatever their labels.
///
/// # Errors
///
/// [`PemError`] if a marker is damaged or does not find its partner.
pub(super) fn blocks(text: &[u8]) -> Result<Vec<Block<'_>>, PemError> {
    let mut blocks = Vec::new();
    let mut scanner = Scanner::new(text);
    while let Some(begin) = scanner.next_marker()? {
        let body_start = scanner.at;
        if begin.kind == MarkerKind::End {
            return Err(PemError::EndWithoutBegin {
                label: begin.label.to_owned(),
                line: begin.line,
            });
        }
        let end = scanner.next_marker()?;
        let Some(end) = end.filter(|marker| marker.kind == MarkerKind::End) else {
            return Err(PemError::NoEnd {
                label: begin.label.to_owned(),
                line: begin.line,
            });
        };
        if end.label != begin.label {
            return Err(PemError::LabelMismatch {
                label: begin.label.to_owned(),
                end: end.label.to_owned(),
                line: begin.line,
            });
        }
        blocks.push(Block {
            label: begin.label,
            line: begin.line,
            body: &text[body_start..end.start],
        });
    }
    Ok(blocks)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MarkerKind {
    Begin,
    End,
}

struct Marker<'a> {
    kind: MarkerKind,
    label: &'a str,
    line: usize,
    /// Where its first dash is.
    start: usize,
}

struct Scanner<'a> {
    text: &'a [u8],
    /// Just behind the last marker.
    at: usize,
    /// The line, from 1, of the byte at `counted`.
    line: usize,
    counted: usize,
}

impl<'a> Scanner<'a> {
    const fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            counted: 0,
        }
    }

    /// The next marker, after which `at` is just behind it.
    fn next_marker(&mut self) -> Result<Option<Marker<'a>>, PemError> {
        loop {
            let Some((kind, word)) = self.next_word() else {
                return Ok(None);
            };
            let dashes = self.text[self.at..word].ends_with(DASHES);
            let label = dashes
                .then(|| self.label_at(word + kind.word().len()))
                .flatten();
            if let Some(label) = label {
                let start = word - DASHES.len();
                self.at = word + kind.word().len() + label.len() + DASHES.len();
                return Ok(Some(Marker {
                    kind,
                    label,
                    line: self.line_of(word),
                    start,
                }));
            }
            if dashes || self.looks_like_marker(word, kind) {
                return Err(PemError::DamagedMarker {
                    line: self.line_of(word),
                });
            }
            self.at = word + kind.word().len();
        }
    }

    /// The next `BEGIN ` or `END `, wherever it stands.
    fn next_word(&self) -> Option<(MarkerKind, usize)> {
        let rest = &self.text[self.at..];
        let begin =
            find(rest, MarkerKind::Begin.word()).map(|at| (MarkerKind::Begin, self.at + at));
        let end = find(rest, MarkerKind::End.word()).map(|at| (MarkerKind::End, self.at + at));
        match (begin, end) {
            (Some(begin), Some(end)) => Some(if begin.1 < end.1 { begin } else { end }),
            (begin, end) => begin.or(end),
        }
    }

    /// The label that starts at `at` and is closed by five dashes in the same line.
    fn label_at(&self, at: usize) -> Option<&'a str> {
        let rest = self.text.get(at..)?;
        let len = rest
            .iter()
            .take(LABEL_LEN_MAX)
            .position(|byte| *byte == b'-')?;
        let label = &rest[..len];
        let is_label =
            |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
        if label.is_empty() || !label.iter().all(is_label) || !rest[len..].starts_with(DASHES) {
            return None;
        }
        std::str::from_utf8(label).ok()
    }

    /// Whether prose at `word` was meant as a marker: a dash before it, or the label of a certificate or key behind it.
    fn looks_like_marker(&self, word: usize, kind: MarkerKind) -> bool {
        let after = &self.text[word + kind.word().len()..];
        let labelled = CERTIFICATE_LABELS
            .iter()
            .chain(&KEY_LABELS)
            .any(|label| after.starts_with(label.as_bytes()));
        labelled || self.text[self.at..word].ends_with(b"-")
    }

    /// The line of the byte at `at`, which must not lie before one asked for earlier.
    fn line_of(&mut self, at: usize) -> usize {
        for index in self.counted..at {
            let after_cr = index > 0 && self.text[index - 1] == b'\r';
            match self.text[index] {
                b'\r' => self.line += 1,
                b'\n' if !after_cr => self.line += 1,
                _ => {}
            }
        }
        self.counted = at;
        self.line
    }
}

impl MarkerKind {
    const fn word(self) -> &'static [u8] {
        match self {
            Self::Begin => b"BEGIN ",
            Self::End => b"END ",
        }
    }
}

/// Certificates as PEM, in their order.
#[cfg(feature = "daemon")]
#[must_use]
pub fn certificates_to_pem(certificates: &[CertificateDer<'_>]) -> String {
    let blocks = certificates
        .iter()
        .map(|one| encode("CERTIFICATE", one).to_string());
    blocks.collect()
}

/// Strict base64 (RFC 4648 §4) with white space between any two characters; `None` if empty, of the wrong length,
/// wrongly padded, or with bits set behind the last byte.
pub(super) fn decode_base64(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(body.len() / 4 * 3));
    let (mut bits, mut held, mut padding) = (0_u32, 0, 0);
    for &byte in body
        .iter()
        .filter(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
    {
        if byte == b'=' {
            padding += 1;
            continue;
        }
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | sextet(byte)?;
        held += 1;
        if held == 4 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, held) = (0, 0);
        }
    }
    match (held, padding) {
        (0, 0) if !bytes.is_empty() => {}
        (2, 2) if bits & 0xf == 0 => bytes.push((bits >> 4) as u8),
        (3, 1) if bits & 0x3 == 0 => bytes.extend_from_slice(&((bits >> 2) as u16).to_be_bytes()),
        _ => return None,
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// A block of PEM (RFC 7468 §2), with a line end behind it.
#[cfg(any(test, feature = "daemon"))]
pub(super) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let encoded = encode_base64(der);
    let mut text = Zeroizing::new(String::with_capacity(encoded.len() * 66 / 64 + 128));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE_LEN));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Base64 (RFC 4648 §4) in one line.
#[cfg(any(test, feature = "daemon"))]
pub(super) fn encode_base64(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for chunk in bytes.chunks(3) {
        let join = |group, byte: &u8| group << 8 | u32::from(*byte);
        let group = chunk.iter().fold(0_u32, join) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let sextet = group >> (18 - 6 * index) & 0x3f;
            text.push(match index > chunk.len() {
                true => '=',
                false => char::from(ALPHABET[sextet as usize]),
            });
        }
    }
    text
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

const DASHES: &[u8] = b"-----";
const LABEL_LEN_MAX: usize = 64;
#[cfg(any(test, feature = "daemon"))]
const LINE_LEN: usize = 64;
#[cfg(any(test, feature = "daemon"))]
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CERTIFICATE_LABELS: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];
const KEY_LABELS: [&str; 4] = [
    "PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----";

    fn bodies(text: &str) -> Result<Vec<Vec<u8>>, PemError> {
        blocks(text.as_bytes())?
            .iter()
            .map(|block| Ok(block.decode()?.to_vec()))
            .collect()
    }

    /// R23, R24.
    #[test]
    fn blocks_survive_what_people_do_to_files() {
        for (what, text) in [
            ("as written", format!("{ONE}\n{ONE}\n")),
            ("no last line end", format!("{ONE}\n{ONE}")),
            ("no line end at the seam", format!("{ONE}{ONE}\n")),
            ("CRLF", format!("{ONE}\n{ONE}\n").replace('\n', "\r\n")),
            ("CR", format!("{ONE}\n{ONE}\n").replace('\n', "\r")),
            ("byte order mark", format!("\u{feff}{ONE}\n{ONE}\n")),
            (
                "prose around",
                format!(
                    "Bag Attributes\n a: b\n{ONE}\nthe END is near, we BEGIN again\n{ONE}\nbye\n"
                ),
            ),
            (
                "prose without a line end before",
                format!("subject=CN = x{ONE}\n{ONE}\n"),
            ),
            (
                "indented",
                format!("  {}\n{ONE}\n", ONE.replace('\n', "\n  ")),
            ),
            (
                "another block between",
                format!("{ONE}\n-----BEGIN X-----\n!!\n-----END X-----\n{ONE}\n"),
            ),
        ] {
            let blocks = blocks(text.as_bytes()).unwrap_or_else(|error| panic!("{what}: {error}"));
            let certificates: Vec<_> = blocks
                .iter()
                .filter(|block| block.is_certificate())
                .collect();
            assert_eq!(certificates.len(), 2, "{what}");
            for block in certificates {
                assert_eq!(*block.decode().unwrap(), [0, 1, 2], "{what}");
            }
        }
    }

    /// R24.
    #[test]
    fn a_begin_without_a_certificate_is_an_error() {
        for (text, expected) in [
            (ONE.replace("-----END CERTIFICATE-----", ""), "no END line"),
            (ONE.replace("-----END CERTIFICATE-----", ONE), "no END line"),
            (
                ONE.replace("END CERT", "END TRUSTED CERT"),
                "is ended by END TRUSTED CERTIFICATE",
            ),
            (
                ONE.replace("-----BEGIN", "----BEGIN"),
                "line 1 looks like a damaged",
            ),
            (
                ONE.replace("CATE-----\nAAEC", "CATE----\nAAEC"),
                "line 1 looks like a damaged",
            ),
            (
                ONE.replace("-----", "\u{2013}\u{2013}"),
                "line 1 looks like a damaged",
            ),
            (
                ONE.replace("-----BEGIN CERTIFICATE-----\n", ""),
                "never began",
            ),
            (ONE.replace("AAEC", ""), "not base64"),
            (ONE.replace("AAEC", "AAE"), "not base64"),
            (ONE.replace("AAEC", "AAE!"), "not base64"),
            (ONE.replace("AAEC", "AAF="), "not base64"),
            (ONE.replace("AAEC", "AA==AA=="), "not base64"),
            (ONE.replace("AAEC", "AA=A"), "not base64"),
        ] {
            let error = bodies(&text).expect_err(&text).to_string();
            assert!(error.contains(expected), "{text}\n-> {error}");
        }
    }

    #[test]
    fn errors_name_the_line_whatever_the_line_ends() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("one\ntwo\n{}", ONE.replace("AAEC", "?")).replace('\n', end);
            let error = bodies(&text).unwrap_err();
            assert_eq!(
                error,
                PemError::BadBase64 {
                    label: "CERTIFICATE".into(),
                    line: 3
                }
            );
        }
    }

    /// R27.
    #[test]
    fn legacy_encryption_is_seen() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAEC\n-----END RSA PRIVATE KEY-----";
        assert!(blocks(text.as_bytes()).unwrap()[0].is_legacy_encrypted());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(blocks) = blocks(&bytes) {
                blocks.iter().for_each(|block| drop(block.decode()));
            }
        }

        /// R24: pieces of PEM in any order and shape give as many blocks as there are `BEGIN`s, or an error.
        #[test]
        fn every_begin_is_a_block_or_an_error(pieces in proptest::collection::vec(0..PIECES.len(), 0..12)) {
            let text: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
            if let Ok(blocks) = blocks(text.as_bytes()) {
                prop_assert_eq!(blocks.len(), text.matches("BEGIN").count(), "{}", text);
            }
        }

        #[test]
        fn base64_round_trips(bytes in proptest::collection::vec(any::<u8>(), 1..200), width in 1_usize..80) {
            let encoded = encode_base64(&bytes);
            let lines: Vec<&str> = encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            prop_assert_eq!(decode_base64(lines.join("\r\n").as_bytes()).unwrap().to_vec(), bytes);
        }
    }

    const PIECES: [&str; 10] = [
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----",
        "-----BEGIN TRUSTED CERTIFICATE-----",
        "-----END TRUSTED CERTIFICATE-----",
        "----BEGIN CERTIFICATE-----",
        "\n",
        "\r\n",
        "AAEC",
        "-",
        "words ",
    ];
}
