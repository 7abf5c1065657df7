//! [`Plan`]: a chain to be, as a value: drawn at random, made simpler, and built of forged certificates.

use rand::{Rng, RngExt};

use super::super::super::forge::{authority as authority_of, *};
use super::super::*;

/// A root, authorities below it, and at the end a peer's own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Each signs the next.
    pub(super) certificates: Vec<Facts>,
    /// What the verifier lists.
    pub(super) listed: Listed,
    /// What the peer sends besides, and in which order.
    pub(super) sent: Sent,
    pub(super) role: PeerRole,
    /// Whether all certificates have one name, as a walk-through's default answers make them.
    pub(super) same_names: bool,
}

/// What one certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) is_version_1: bool,
    pub(super) authority: Option<Authority>,
    /// The bits of a key usage: digitalSignature 0x80, keyEncipherment 0x20, keyCertSign 0x04.
    pub(super) key_usage: Option<u8>,
    /// As [`extended_key_usage`] takes them.
    pub(super) extended_key_usage: Option<&'static [u8]>,
    /// An extension that nobody knows, and whether it is critical.
    pub(super) unknown: Option<bool>,
    pub(super) validity: Validity,
    pub(super) constraint: Option<Constraint>,
    pub(super) dns_name: Option<&'static str>,
    pub(super) issue: Issue,
}

/// What basic constraints say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    No,
    Yes(Option<u8>),
}

/// Where the present lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    Within,
    AtFirstSecond,
    SecondBefore,
    AtLastSecond,
    SecondAfter,
}

/// What an authority may vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constraint {
    Permits(&'static str),
    Excludes(&'static str),
}

/// How a certificate was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Issue {
    Sound,
    /// The algorithm named inside is not that named outside.
    AlgorithmsDiffer,
    /// An algorithm is named that nobody should accept any more.
    Sha1,
    /// Another hash is named than the one that was signed.
    OtherHash,
    SignatureSpoiled,
    /// By a key that is not the issuer's.
    WrongKey,
    /// In the name of somebody who is not in the chain.
    WrongName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Root,
    /// The authority that signed the peer's certificate, and not the root.
    LastAuthority,
    Leaf,
    RootAndLeaf,
    /// Another certificate of the root's name first.
    NamesakeAndRoot,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    InOrder,
    Reversed,
    WithRoot,
    WithGarbage,
    /// The peer's own certificate once more.
    Twice,
    /// Behind a certificate of the last authority's name that has another key.
    WithNamesake,
    /// Without the last authority.
    WithGap,
}

/// What goes to a verifier.
pub(super) struct Built {
    pub(super) listed: Vec<CertificateDer<'static>>,
    /// The peer's own certificate first.
    pub(super) sent: Vec<CertificateDer<'static>>,
}

/// Keys for the certificates of any chain, by position, made once.
pub(super) struct Keys {
    of_chain: Vec<Key>,
    stranger: Key,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self {
            of_chain: NAMES.iter().map(|_| Key::new()).collect(),
            stranger: Key::new(),
        }
    }
}

impl Facts {
    pub(super) const fn leaf() -> Self {
        Self {
            is_version_1: false,
            authority: None,
            key_usage: None,
            extended_key_usage: None,
            unknown: None,
            validity: Validity::Within,
            constraint: None,
            dns_name: None,
            issue: Issue::Sound,
        }
    }

    pub(super) const fn authority() -> Self {
        Self {
            authority: Some(Authority::Yes(None)),
            ..Self::leaf()
        }
    }

    /// Sound for the most part.
    fn draw(rng: &mut impl Rng, is_leaf: bool) -> Self {
        let mut facts = match is_leaf {
            true => Self::leaf(),
            false => Self::authority(),
        };
        // One in `n` certificates.
        let mut rarely = |n: u32| rng.random_range(0..n) == 0;
        let changes = [
            rarely(12),
            rarely(6),
            rarely(4),
            rarely(4),
            rarely(12),
            rarely(6),
            rarely(8),
            rarely(2),
            rarely(16),
        ];
        let mut change = changes.into_iter();
        let mut changed = || change.next() == Some(true);
        facts.is_version_1 = changed();
        if changed() {
            facts.authority = pick(rng, AUTHORITIES);
        }
        if changed() {
            facts.key_usage = pick(rng, KEY_USAGES);
        }
        if changed() {
            facts.extended_key_usage = pick(rng, EXTENDED_KEY_USAGES);
        }
        if changed() {
            facts.unknown = pick(rng, &[Some(false), Some(true)]);
        }
        if changed() {
            facts.validity = pick(rng, VALIDITIES);
        }
        if changed() && !is_leaf {
            facts.constraint = pick(rng, CONSTRAINTS);
        }
        if changed() {
            facts.dns_name = pick(rng, DNS_NAMES);
        }
        if changed() {
            facts.issue = pick(rng, ISSUES);
        }
        facts
    }

    /// The same with one thing less that is peculiar.
    fn simpler(&self, is_leaf: bool) -> Vec<Self> {
        let plain = match is_leaf {
            true => Self::leaf(),
            false => Self::authority(),
        };
        let resets: [fn(&mut Self, &Self); 9] = [
            |facts, plain| facts.is_version_1 = plain.is_version_1,
            |facts, plain| facts.authority = plain.authority,
            |facts, plain| facts.key_usage = plain.key_usage,
            |facts, plain| facts.extended_key_usage = plain.extended_key_usage,
            |facts, plain| facts.unknown = plain.unknown,
            |facts, plain| facts.validity = plain.validity,
            |facts, plain| facts.constraint = plain.constraint,
            |facts, plain| facts.dns_name = plain.dns_name,
            |facts, plain| facts.issue = plain.issue,
        ];
        let reset = |reset: &fn(&mut Self, &Self)| {
            let mut facts = self.clone();
            reset(&mut facts, &plain);
            facts
        };
        resets
            .iter()
            .map(reset)
            .filter(|facts| facts != self)
            .collect()
    }

    fn extensions(&self) -> Vec<Vec<u8>> {
        let authority = self.authority.map(|authority| match authority {
            Authority::No => no_authority(),
            Authority::Yes(path_len) => authority_of(path_len),
        });
        let constraint = self.constraint.map(|constraint| match constraint {
            Constraint::Permits(name) => permitted_dns(name),
            Constraint::Excludes(name) => excluded_dns(name),
        });
        let unknown = |critical| extension(&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 99], critical, &[5, 0]);
        let all = [
            authority,
            self.key_usage.map(key_usage),
            self.extended_key_usage.map(extended_key_usage),
            self.unknown.map(unknown),
            constraint,
            self.dns_name.map(dns_name),
        ];
        all.into_iter().flatten().collect()
    }
}

impl Plan {
    pub(super) fn draw(rng: &mut impl Rng) -> Self {
        // Mostly a root, an authority or two and a leaf; now and then more than webpki takes.
        let len = match rng.random_range(0..20) {
            0 => rng.random_range(5..=NAMES.len()),
            1 => 1,
            draw => 2 + draw % 3,
        };
        let facts = |position| Facts::draw(rng, position + 1 == len);
        let certificates = (0..len).map(facts).collect();
        let (listed, sent) = (rng.random_bool(0.3), rng.random_bool(0.4));
        Self {
            certificates,
            listed: if listed {
                pick(rng, LISTED)
            } else {
                Listed::Root
            },
            sent: if sent { pick(rng, SENT) } else { Sent::InOrder },
            role: pick(rng, &[PeerRole::Client, PeerRole::Server]),
            same_names: rng.random_bool(0.15),
        }
    }

    /// The same with one thing less that is peculiar.
    pub(super) fn simpler(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |change: &dyn Fn(&mut Self)| {
            let mut plan = self.clone();
            change(&mut plan);
            if plan != *self {
                all.push(plan);
            }
        };
        add(&|plan| plan.same_names = false);
        add(&|plan| plan.listed = Listed::Root);
        add(&|plan| plan.sent = Sent::InOrder);
        for position in 0..self.certificates.len() {
            if self.certificates.len() > 1 {
                add(&|plan| {
                    plan.certificates.remove(position);
                });
            }
            let is_leaf = position + 1 == self.certificates.len();
            for facts in self.certificates[position].simpler(is_leaf) {
                add(&|plan| plan.certificates[position] = facts.clone());
            }
        }
        all
    }

    pub(super) fn build(&self, keys: &Keys) -> Built {
        let chain: Vec<_> = (0..self.certificates.len())
            .map(|position| self.certificate(position, keys))
            .collect();
        let (leaf, authorities) = chain.split_last().expect("a chain has a certificate");
        let namesake = |position: usize| {
            let name = self.name(position);
            Forge::ca(name, name).self_signed(&keys.stranger)
        };
        let root = &chain[0];
        let listed = match self.listed {
            Listed::Root => vec![root.clone()],
            Listed::LastAuthority => authorities.last().cloned().into_iter().collect(),
            Listed::Leaf => vec![leaf.clone()],
            Listed::RootAndLeaf => vec![root.clone(), leaf.clone()],
            Listed::NamesakeAndRoot => vec![namesake(0), root.clone()],
            Listed::Nothing => Vec::new(),
        };
        let mut others: Vec<_> = authorities.iter().skip(1).rev().cloned().collect();
        match self.sent {
            Sent::InOrder => {}
            Sent::Reversed => others.reverse(),
            Sent::WithRoot => others.push(root.clone()),
            Sent::WithGarbage => {
                others.insert(0, CertificateDer::from(b"\x30\x03\x02\x01\x07".to_vec()))
            }
            Sent::Twice => others.insert(0, leaf.clone()),
            Sent::WithNamesake => others.insert(0, namesake(authorities.len().saturating_sub(1))),
            Sent::WithGap => others = others.split_off(others.len().min(1)),
        }
        others.insert(0, leaf.clone());
        Built {
            listed,
            sent: others,
        }
    }

    /// The certificate at a position, signed by the one before; the first by itself.
    fn certificate(&self, position: usize, keys: &Keys) -> CertificateDer<'static> {
        let facts = &self.certificates[position];
        let issuer = position.saturating_sub(1);
        let (not_before, not_after) = facts.validity.dates();
        let (inner_algorithm, outer_algorithm) = facts.issue.algorithms();
        let forge = Forge {
            version: if facts.is_version_1 { 1 } else { 3 },
            not_before,
            not_after,
            extensions: match facts.is_version_1 {
                true => Vec::new(),
                false => facts.extensions(),
            },
            inner_algorithm,
            outer_algorithm,
            serial: u8::try_from(position).expect("a chain is short") + 1,
            ..Forge::v3(
                self.name(position),
                match facts.issue {
                    Issue::WrongName => "somebody",
                    _ => self.name(issuer),
                },
            )
        };
        let signer = match facts.issue {
            Issue::WrongKey => &keys.stranger,
            _ => &keys.of_chain[issuer],
        };
        let certificate = forge.sign(&keys.of_chain[position], signer);
        match facts.issue {
            Issue::SignatureSpoiled => spoiled(&certificate),
            _ => certificate,
        }
    }

    fn name(&self, position: usize) -> &'static str {
        NAMES[if self.same_names { 0 } else { position }]
    }
}

impl Validity {
    /// [`NOW`] is the first second of 2026.
    const fn dates(self) -> (&'static str, &'static str) {
        match self {
            Self::Within => ("250101000000Z", "261231235959Z"),
            Self::AtFirstSecond => ("260101000000Z", "261231235959Z"),
            Self::SecondBefore => ("260101000001Z", "261231235959Z"),
            Self::AtLastSecond => ("250101000000Z", "260101000000Z"),
            Self::SecondAfter => ("250101000000Z", "251231235959Z"),
        }
    }
}

impl Issue {
    const fn algorithms(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::AlgorithmsDiffer => (ECDSA_SHA384, ECDSA_SHA256),
            Self::OtherHash => (ECDSA_SHA384, ECDSA_SHA384),
            Self::Sha1 => (ECDSA_SHA1, ECDSA_SHA1),
            _ => (ECDSA_SHA256, ECDSA_SHA256),
        }
    }
}

/// With another last bit: the signature is still one in form.
fn spoiled(certificate: &CertificateDer<'_>) -> CertificateDer<'static> {
    let mut der = certificate.to_vec();
    *der.last_mut().expect("a certificate has bytes") ^= 1;
    CertificateDer::from(der)
}

fn pick<T: Copy>(rng: &mut impl Rng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())]
}

/// By position; longer chains than this are refused by everybody.
const NAMES: [&str; 12] = [
    "root", "ca 1", "ca 2", "ca 3", "ca 4", "ca 5", "ca 6", "ca 7", "ca 8", "ca 9", "ca 10", "peer",
];
const AUTHORITIES: &[Option<Authority>] = &[
    None,
    Some(Authority::No),
    Some(Authority::Yes(None)),
    Some(Authority::Yes(Some(0))),
    Some(Authority::Yes(Some(1))),
];
const KEY_USAGES: &[Option<u8>] = &[Some(0x80), Some(0x04), Some(0x84), Some(0x20)];
const EXTENDED_KEY_USAGES: &[Option<&[u8]>] = &[
    Some(&[1]),
    Some(&[2]),
    Some(&[1, 2]),
    Some(&[4]),
    Some(&[0]),
    Some(&[4, 0]),
];
const VALIDITIES: &[Validity] = &[
    Validity::AtFirstSecond,
    Validity::SecondBefore,
    Validity::AtLastSecond,
    Validity::SecondAfter,
];
const CONSTRAINTS: &[Option<Constraint>] = &[
    Some(Constraint::Permits("example.com")),
    Some(Constraint::Permits("example.org")),
    Some(Constraint::Excludes("example.com")),
];
const DNS_NAMES: &[Option<&str>] = &[Some("node.example.com"), Some("node.example.org")];
const ISSUES: &[Issue] = &[
    Issue::AlgorithmsDiffer,
    Issue::Sha1,
    Issue::OtherHash,
    Issue::SignatureSpoiled,
    Issue::WrongKey,
    Issue::WrongName,
];
const LISTED: &[Listed] = &[
    Listed::LastAuthority,
    Listed::Leaf,
    Listed::RootAndLeaf,
    Listed::NamesakeAndRoot,
    Listed::Nothing,
];
const SENT: &[Sent] = &[
    Sent::Reversed,
    Sent::WithRoot,
    Sent::WithGarbage,
    Sent::Twice,
    Sent::WithNamesake,
    Sent::WithGap,
];
