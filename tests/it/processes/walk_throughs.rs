//! The walk-throughs people follow end in a cluster: their files, and nothing but variables.

use super::broker::{Security, Site};
use crate::recipes::{Answers, NodeFiles, Recipe, Root};

/// R91, R115, R116: the recipe of Zeebe's documentation, every prompt answered with enter; paths relative to the working
/// directory.
#[test]
fn three_brokers_form_with_the_files_of_zeebes_documentation() {
    let Some(recipe) = Recipe::chain_files(Answers::Defaults) else {
        return;
    };
    let site = Site::new(3);
    let relative = |files: &NodeFiles| {
        let here = |path: &std::path::Path| {
            let name = path.file_name().unwrap();
            std::fs::copy(path, site.directory().join(name)).unwrap();
            name.into()
        };
        Security::Tls(NodeFiles {
            chain: here(&files.chain),
            key: here(&files.key),
            trusted: None,
        })
    };
    let security: Vec<_> = recipe.nodes.iter().map(relative).collect();
    let brokers = site.form(&security);
    for broker in &brokers {
        let log = broker.process.stderr();
        assert!(log.contains("TLS 1.3 on every connection"), "{log}");
        assert!(log.contains("plain UDP by design"), "{log}");
    }
}

/// R117, R37: the recipe of the other walk-through, for a leader and two workers that share a certificate.
#[test]
fn three_brokers_form_with_the_files_of_the_other_walk_through() {
    for root in [Root::InChainFile, Root::Separate] {
        let Some(recipe) = Recipe::leader_and_worker(root) else {
            return;
        };
        let [leader, worker] = &recipe.nodes[..] else {
            panic!("two nodes");
        };
        let security = [leader, worker, worker].map(|files| Security::Tls(files.clone()));
        Site::new(3).form(&security);
    }
}
