//! What each node of several is called: its files, and the names in its certificate.

use std::net::IpAddr;

use crate::cli::certs::CertsError;
use crate::cli::certs::placement::key;
use crate::member::{MemberId, Role};

/// Checks the ids of nodes of one kind.
///
/// # Errors
///
/// An id is there twice, cannot be one of this kind, or cannot be part of a file's name.
pub(super) fn check_ids(ids: &[MemberId], role: Role) -> Result<(), CertsError> {
    for (index, id) in ids.iter().enumerate() {
        if ids[..index].contains(id) {
            return Err(CertsError::RepeatedId(id.clone()));
        }
        if role == Role::Broker {
            let kind = key("zeebe.broker.cluster.nodeId").row.kind;
            kind.parse(id.as_str())
                .map_err(|cause| CertsError::NodeId {
                    id: id.clone(),
                    cause,
                })?;
        }
        let is_sound = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if id.as_str().starts_with('.') || !id.as_str().chars().all(is_sound) {
            return Err(CertsError::FileName(id.clone()));
        }
    }
    Ok(())
}

/// What the files of a node are called, without their endings.
pub(super) fn file_stem(id: &MemberId) -> String {
    match id.as_str().bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("node{id}"),
        false => id.to_string(),
    }
}

/// A text with the id in it.
pub(super) fn with_id(text: &str, id: &MemberId) -> String {
    text.replace("{memberId}", id.as_str())
}

/// The values for one node: those for all of them, and those with its id before an equals sign.
pub(super) fn of_node(values: &[String], id: &MemberId) -> Vec<String> {
    let own = |value: &String| match value.split_once('=') {
        Some((owner, value)) => (owner == id.as_str()).then(|| with_id(value, id)),
        None => Some(with_id(value, id)),
    };
    values.iter().filter_map(own).collect()
}

/// The addresses for one node.
///
/// # Errors
///
/// A value is not an address.
pub(super) fn addresses(values: &[String], id: &MemberId) -> Result<Vec<IpAddr>, CertsError> {
    let parse = |value: String| value.parse().map_err(|_| CertsError::Address(value));
    of_node(values, id).into_iter().map(parse).collect()
}

/// Checks that every value with an id before it is for one of these nodes.
///
/// # Errors
///
/// It is for none.
pub(super) fn check_owners(values: &[String], ids: &[MemberId]) -> Result<(), CertsError> {
    let is_stray = |value: &&String| {
        let owner = value.split_once('=').map(|(owner, _)| owner);
        owner.is_some_and(|owner| !ids.iter().any(|id| id.as_str() == owner))
    };
    match values.iter().find(is_stray) {
        Some(value) => Err(CertsError::StrayName(value.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_to_all_nodes_or_to_one() {
        let ids = ["0", "12"].map(|id| MemberId::new(id).unwrap());
        let values = ["n{memberId}.example", "12=own.example", "all.example"].map(str::to_owned);
        check_owners(&values, &ids).unwrap();
        assert_eq!(of_node(&values, &ids[0]), ["n0.example", "all.example"]);
        assert_eq!(
            of_node(&values, &ids[1]),
            ["n12.example", "own.example", "all.example"]
        );
        let stray = check_owners(&values, &ids[..1]).unwrap_err().to_string();
        assert!(stray.contains("12=own.example"), "{stray}");
        let values = ["0=10.0.0.{memberId}", "::2", "x"].map(str::to_owned);
        assert!(addresses(&values, &ids[0]).is_err());
        let expected: [IpAddr; 2] = ["10.0.0.0", "::2"].map(|ip| ip.parse().unwrap());
        assert_eq!(addresses(&values[..2], &ids[0]).unwrap(), expected);
    }

    #[test]
    fn ids_that_are_none_or_make_no_file_name_are_refused() {
        for (id, role, is_sound) in [
            ("0", Role::Broker, true),
            ("gateway", Role::Broker, false),
            ("gateway-1", Role::Gateway, true),
            ("../x", Role::Gateway, false),
            (".x", Role::Gateway, false),
        ] {
            let ids = [MemberId::new(id).unwrap()];
            assert_eq!(check_ids(&ids, role).is_ok(), is_sound, "{id}");
        }
        let twice = ["1", "1"].map(|id| MemberId::new(id).unwrap());
        assert!(check_ids(&twice, Role::Broker).is_err());
    }
}
