//! The hashes both ends of an exchange must compute alike. The 64-bit ones are the first eight bytes of SHA-256, big
//! endian.
//!
//! SHA-256 and not a faster hash, since an insider may choose ids: two ids, or two views, that collide would hide a
//! difference from push-pull.

use aws_lc_rs::digest::{Context, SHA256, digest};

use crate::member::MemberRecord;

/// The SHA-256 hash of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The hash a digest names a member by.
#[must_use]
pub fn id_hash(id: &str) -> u64 {
    first_eight(digest(&SHA256, id.as_bytes()).as_ref())
}

/// The hash a plaintext datagram names its cluster by.
#[must_use]
pub fn cluster_hash(cluster: &str) -> u64 {
    let mut context = Context::new(&SHA256);
    context.update(b"Phalanx cluster v1");
    context.update(cluster.as_bytes());
    first_eight(context.finish().as_ref())
}

/// One live member's term in the view hash. A view's hash is the wrapping sum of its terms, so it is kept up to date by
/// adding and subtracting, and its order does not matter.
#[must_use]
pub fn view_term(record: &MemberRecord) -> u64 {
    let mut context = Context::new(&SHA256);
    context.update(&record.generation.get().to_be_bytes());
    context.update(&record.incarnation.get().to_be_bytes());
    context.update(record.id.as_str().as_bytes());
    first_eight(context.finish().as_ref())
}

fn first_eight(hash: &[u8]) -> u64 {
    u64::from_be_bytes(hash[..8].try_into().expect("SHA-256 has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_first_bytes_of_sha256() {
        // printf 0 | sha256sum
        assert_eq!(id_hash("0"), 0x5fec_eb66_ffc8_6f38);
        assert_ne!(cluster_hash("0"), id_hash("0"));
    }
}
