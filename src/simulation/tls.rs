//! What TLS costs on the wire: [`TlsFlights`], the sizes of a handshake, and what records add to frames.
//!
//! The record layer is modelled, not run: a handshake takes the round trips of TLS 1.3 (RFC 8446 §2) and the bytes below, and
//! both ends then hold one exporter value. Whom the ends believe is not modelled: [`Trust`] judges real chains. The sizes are
//! those of rustls with this crate's settings (hybrid key exchange X25519MLKEM768, AES-256-GCM with SHA-384, ALPN, no
//! tickets); `tests/it/handshake.rs` holds them against real handshakes.
//!
//! | flight | from | messages | bytes |
//! |---|---|---|---|
//! | 1 | dialer | ClientHello | 1,444 |
//! | 2 | listener | ServerHello, EncryptedExtensions, Certificate, CertificateVerify, Finished | 1,333 + 5 and its length for each certificate + the signature |
//! | 3 | dialer | Finished | 80, and the same for its certificates if it is asked for some |

use rustls::pki_types::CertificateDer;

use crate::trust::Trust;

/// How many bytes each flight of a handshake has, TLS records included, TCP and IP not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsFlights {
    /// The dialer's first.
    pub client_hello: usize,
    /// The listener's only one.
    pub server: usize,
    /// The dialer's last, without a certificate.
    pub client_finished: usize,
    /// What a certificate adds to the dialer's last, if it is asked for one.
    pub client_certificate: usize,
}

impl TlsFlights {
    /// The flights of a node that dials, or is dialled, with these credentials.
    ///
    /// # Panics
    ///
    /// When the key cannot sign.
    #[must_use]
    pub fn of(trust: &Trust) -> Self {
        let proof = proof_len(trust);
        Self {
            client_hello: CLIENT_HELLO_LEN,
            server: SERVER_HELLO_LEN + SERVER_FINISHED_LEN + proof,
            client_finished: CLIENT_FINISHED_LEN,
            client_certificate: proof,
        }
    }
}

/// What records add to so many bytes: a header and a tag for each 16 KiB (RFC 8446 §5.2).
pub(super) const fn records_len(len: usize) -> usize {
    len.div_ceil(RECORD_LEN_MAX) * RECORD_OVERHEAD
}

/// The messages Certificate and CertificateVerify.
fn proof_len(trust: &Trust) -> usize {
    let entry = |certificate: &CertificateDer<'_>| 3 + certificate.len() + 2;
    let entries: usize = trust.chain().iter().map(entry).sum();
    CERTIFICATE_LEN + entries + CERTIFICATE_VERIFY_LEN + signature_len(trust)
}

/// ECDSA's signatures differ in length from one to the next: these are the longest.
fn signature_len(trust: &Trust) -> usize {
    let signature = trust.sign_introduction(&[]).expect("a key in memory signs");
    match signature.scheme {
        0x0403 => 72,
        0x0503 => 104,
        0x0603 => 139,
        _ => signature.bytes.len(),
    }
}

const RECORD_LEN_MAX: usize = 16 * 1024;
/// A header, the inner content type, and a tag.
const RECORD_OVERHEAD: usize = 5 + 1 + 16;
const CLIENT_HELLO_LEN: usize = 1_444;
/// ServerHello with its key share, and the record that older middleboxes expect (RFC 8446 appendix D.4).
const SERVER_HELLO_LEN: usize = 1_215 + 6;
/// EncryptedExtensions with the application protocol, and Finished, in one record.
const SERVER_FINISHED_LEN: usize = RECORD_OVERHEAD + 22 + 52;
/// Without entries.
const CERTIFICATE_LEN: usize = 4 + 1 + 3;
/// Without the signature.
const CERTIFICATE_VERIFY_LEN: usize = 4 + 2 + 2;
/// Finished, and again the record for middleboxes.
const CLIENT_FINISHED_LEN: usize = 6 + RECORD_OVERHEAD + 52;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_of_a_long_frame_adds_its_own() {
        for (len, expected) in [(0, 0), (1, 22), (16_384, 22), (16_385, 44), (65_536, 88)] {
            assert_eq!(records_len(len), expected, "{len} bytes");
        }
    }
}
