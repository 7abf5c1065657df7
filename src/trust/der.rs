//! The little DER that is written here: one tag, one length, some contents (X.690 §10.1).

/// SEQUENCE, constructed.
pub(super) const SEQUENCE: u8 = 0x30;
/// BIT STRING, primitive.
pub(super) const BIT_STRING: u8 = 0x03;

/// Tag, length in the shortest form, contents.
pub(super) fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let len = contents.len();
    let digits = &len.to_be_bytes()[len.leading_zeros() as usize / 8..];
    let mut encoded = vec![tag];
    match len {
        0..=0x7f => encoded.push(len as u8),
        _ => {
            encoded.push(0x80 | digits.len() as u8);
            encoded.extend_from_slice(digits);
        }
    }
    encoded.extend_from_slice(contents);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_their_shortest_form() {
        for (len, header) in [
            (0, &[0x30, 0][..]),
            (0x7f, &[0x30, 0x7f]),
            (0x80, &[0x30, 0x81, 0x80]),
            (0xff, &[0x30, 0x81, 0xff]),
            (0x100, &[0x30, 0x82, 1, 0]),
            (0x12345, &[0x30, 0x83, 1, 0x23, 0x45]),
        ] {
            let encoded = tlv(SEQUENCE, &vec![7; len]);
            assert_eq!(
                (&encoded[..header.len()], encoded.len()),
                (header, header.len() + len)
            );
        }
    }
}
