//! The join token: both ends of a join prove it, and it never travels.

use super::super::*;
use super::world::{World, options};
use crate::seal::JoinToken;

const TOKEN: &str = "correct horse battery staple";

fn world(tls: bool, tokens: [Option<&str>; 2]) -> World {
    let options = tokens.iter().enumerate().map(|(n, token)| Options {
        token: token.map(|token| JoinToken::new(token).unwrap()),
        ..options(n, tls)
    });
    World::new(options.collect())
}

/// The proofs that have passed: the joiner's, the contact's.
fn proofs(world: &World) -> Vec<[u8; 32]> {
    let proof = |(_, frame): &(usize, Frame)| match frame {
        Frame::JoinRequest { token, .. } | Frame::JoinAccept { token, .. } => *token,
        _ => None,
    };
    world.frames.iter().filter_map(proof).collect()
}

#[test]
fn who_lets_whom_in() {
    let other = "incorrect horse battery staple";
    let refused_by_contact = |code| (Some(code), true);
    let rows = [
        ([None, None], (None, false)),
        ([Some(TOKEN), Some(TOKEN)], (None, false)),
        (
            [Some(TOKEN), Some(other)],
            refused_by_contact(Code::TokenMismatch),
        ),
        ([Some(TOKEN), None], refused_by_contact(Code::TokenRequired)),
        ([None, Some(TOKEN)], (Some(Code::TokenRequired), false)),
    ];
    for tls in [false, true] {
        for (tokens, (code, by_contact)) in rows {
            let mut world = world(tls, tokens);
            world.join(1, 0);
            let case = format!("tls {tls}, {tokens:?}");
            assert_eq!(world.joined(1), code.is_none(), "{case}");
            let expected: Vec<_> = code.into_iter().map(|code| (code, None)).collect();
            let (contact, joiner) = (usize::from(!by_contact), usize::from(by_contact));
            assert_eq!(world.refusals(contact, true), expected, "{case}");
            assert_eq!(world.refusals(joiner, false), expected, "{case}");
            if let Some(code) = code {
                let outcome = &world.outcomes(1)[0];
                assert!(
                    matches!(outcome, JoinOutcome::Refused { code: said, is_permanent: true, .. } if *said == code),
                    "{case}: {outcome:?}"
                );
                assert!(world.committed(0).is_empty(), "{case}");
            }
            (0..2).for_each(|n| world.assert_idle(n));
        }
    }
}

#[test]
fn the_token_never_crosses_the_wire_with_or_without_tls() {
    for tls in [false, true] {
        let mut world = world(tls, [Some(TOKEN); 2]);
        world.join(1, 0);
        assert!(world.joined(1));
        for (_, frame) in &world.frames {
            let bytes = frame.encode();
            let mut windows = bytes.windows(TOKEN.len());
            assert!(windows.all(|part| part != TOKEN.as_bytes()), "{frame:?}");
        }
    }
}

#[test]
fn each_end_and_each_connection_has_a_proof_of_its_own() {
    for tls in [false, true] {
        let mut world = world(tls, [Some(TOKEN); 2]);
        world.join(1, 0);
        world.join(1, 0);
        let mut proofs = proofs(&world);
        assert_eq!(proofs.len(), 4, "two joins, two ends");
        proofs.sort_unstable();
        proofs.dedup();
        assert_eq!(proofs.len(), 4);
    }
}

#[test]
fn a_proof_is_not_good_for_another_connection_or_the_other_end() {
    for tls in [false, true] {
        let mut recorded = world(tls, [Some(TOKEN); 2]);
        recorded.join(1, 0);
        let [joiners, contacts] = proofs(&recorded)[..] else {
            panic!("one join");
        };
        // Who has no token plays a recorded proof: of the joiner on a later connection, or the contact's own back at it.
        for (played, is_request) in [(joiners, true), (contacts, false)] {
            let tokens = [Some(TOKEN), None];
            let mut world = world(
                tls,
                if is_request {
                    tokens
                } else {
                    [None, Some(TOKEN)]
                },
            );
            // A nonce, or an exporter, that the recorded connection did not have.
            world.dial_member(1, 0);
            world.meddle = Some(Box::new(move |_, frame| {
                match frame {
                    Frame::JoinRequest { token, .. } if is_request => *token = Some(played),
                    Frame::JoinAccept { token, .. } if !is_request => *token = Some(played),
                    _ => {}
                }
                true
            }));
            world.join(1, 0);
            let refuser = usize::from(!is_request);
            assert_eq!(
                world.refusals(refuser, true).last(),
                Some(&(Code::TokenMismatch, None))
            );
        }
        // The joiner's own proof, back at it.
        let mut world = world(tls, [None, Some(TOKEN)]);
        let mut seen = None;
        world.meddle = Some(Box::new(move |_, frame| {
            match frame {
                Frame::JoinRequest { token, .. } => seen = *token,
                Frame::JoinAccept { token, .. } => *token = seen,
                _ => {}
            }
            true
        }));
        world.join(1, 0);
        assert_eq!(world.refusals(1, true), [(Code::TokenMismatch, None)]);
    }
}
