//! The dashboard, in a real browser. `PHALANX_PICTURES=docs/pictures cargo test --test it dashboard` takes the README's pictures anew.

use std::path::Path;

use super::broker::{Broker, PATIENCE, Security, Site, all_but, all_see, request};
use crate::support::wait_until;
use crate::support::webdriver::Page;

const TOKEN: &str = "8d6bff1b2c0e4a7f93";
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
const DESK: (u32, u32) = (1280, 1240);
const PHONE: (u32, u32) = (390, 844);

#[test]
fn a_browser_shows_a_cluster_that_forms_a_node_that_dies_and_a_stranger_that_is_refused() {
    let Some(page) = Page::open() else {
        return;
    };
    let site = Site::new(4);
    let security = site.certificates();
    let start = |id: usize| {
        let mut variables = site.variables(id, &security[id], &[0, 1, 2]);
        // Long enough to be seen by a slow browser.
        variables.push((
            "ZEEBE_BROKER_CLUSTER_MEMBERSHIP_SUSPICIONFLOOR",
            "8s".to_owned(),
        ));
        site.start_as(id, &variables)
    };
    let mut brokers = vec![start(0)];
    page.look("light", DESK);
    visit(&page, &site);
    page.wait_for("#verdict", "This node is alone in its cluster");
    brokers.extend([start(1), start(2)]);
    page.wait_for("#verdict", "All 3 members are alive");
    page.wait_for("#attention", "Nothing needs you.");
    for words in ["1 joined", "2 joined"] {
        page.wait_for("#timeline", words);
    }
    for id in ["1", "2"] {
        let row = format!("#members tr[data-member='{id}']");
        for words in ["alive", " % ", " of ", "29 days", "TLS 1.3, X25519MLKEM768"] {
            page.wait_for(&row, words);
        }
        page.wait_for(&format!("{row} td[data-label='Round trip']"), "s");
        page.wait_for(
            &format!("#certificates li[data-member='{id}']"),
            "29 days left",
        );
    }
    every_pair_is_asked_for(&page);

    a_stranger_is_refused(&page, &site);
    a_node_stands_still_and_dies(&page, &mut brokers);
    picture(&page, "dashboard-light");
    page.look("dark", DESK);
    picture(&page, "dashboard-dark");
    it_is_usable_on_a_phone_and_by_keyboard(&page);
    it_asks_nobody_else(&page, &site);
    it_says_when_the_node_is_gone(&page, brokers);
}

fn visit(page: &Page, site: &Site) {
    wait_until("the page is there", PATIENCE, || {
        let (head, _) = request(site.admin_port(0), "GET", "/")?;
        let is_there = head.starts_with("HTTP/1.0 200");
        is_there.then_some(()).ok_or(head)
    });
    page.go(&url(site));
}

fn every_pair_is_asked_for(page: &Page) {
    assert_eq!(cells(page, "verifies"), [""; 0]);
    page.run("document.getElementById('examine').click()");
    page.wait_for("#examined", "All 6 pairs verify each other");
    assert_eq!(cells(page, "sees"), ["0 sees 1", "0 sees 2"]);
    let verified = cells(page, "verifies");
    assert_eq!(verified.len(), 4, "{verified:?}");
    assert!(
        verified.contains(&"2 reaches and verifies 1".to_owned()),
        "{verified:?}"
    );
}

/// It speaks plaintext, and comes again and again.
fn a_stranger_is_refused(page: &Page, site: &Site) {
    let mut stranger = site.start_with(3, &Security::Plain, &[0]);
    assert_eq!(stranger.wait().code(), Some(4));
    let card = "#refusals article[data-code='SecurityMismatch']";
    page.wait_for(
        card,
        "One of the two nodes has TLS on and the other has it off.",
    );
    page.wait_for(card, "Set security.enabled to the same on every node");
    page.wait_for(
        "#timeline li[data-kind='Refused']",
        "was refused: SecurityMismatch",
    );
    page.wait_for("#attention", "one of the two nodes has TLS on");
    page.wait_for("#verdict", "All 3 members are alive");
}

fn a_node_stands_still_and_dies(page: &Page, brokers: &mut [Broker]) {
    brokers[2].process.stop();
    wait_until("somebody suspects it", PATIENCE, || {
        let cells = cells(page, "suspects");
        let is_seen = cells.iter().any(|cell| cell.ends_with(" suspects 2"));
        is_seen.then_some(()).ok_or_else(|| format!("{cells:?}"))
    });
    page.wait_for("#attention", "2 is suspected by ");
    brokers[2].signal("KILL");
    brokers[2].wait();
    all_see(&[&brokers[0]], &all_but(0..3, 2, "dead"));
    page.wait_for("#verdict", "2 of 3 members are alive");
    page.wait_for("#attention", "2 is dead since ");
    page.wait_for("#members tbody tr:first-child", "dead");
    page.wait_for(
        "#timeline li[data-kind='MemberSuspected']",
        "2 is suspected by ",
    );
    page.wait_for("#timeline li[data-kind='MemberDied']", "2 is dead, says ");
    assert_eq!(cells(page, "holds-dead"), ["0 holds dead 2"]);
    assert_eq!(cells(page, "verifies"), ["1 reaches and verifies 0"]);
    let title = page.run("return document.title");
    assert_eq!(title, "(!) 2 of 3 alive – Phalanx");
    let label = page.run("return document.querySelector('#graph svg').getAttribute('aria-label')");
    assert!(
        label.as_str().unwrap().contains("0 holds dead 2"),
        "{label}"
    );
}

fn it_is_usable_on_a_phone_and_by_keyboard(page: &Page) {
    page.look("dark", PHONE);
    let widths = page.run("return [document.documentElement.scrollWidth, innerWidth]");
    assert_eq!(widths[0], widths[1], "nothing is cut off at the side");
    picture(page, "dashboard-phone");
    let ground = || page.run("return getComputedStyle(document.body).backgroundColor");
    let dark = ground();
    page.look("light", PHONE);
    assert_ne!(ground(), dark);

    page.run("document.activeElement.blur(); scrollTo(0, 0)");
    let mut met = Vec::new();
    for _ in 0..6 {
        page.press(TAB);
        met.push(page.focused());
        let outline = page.run("return getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(outline, "solid", "the focus is seen: {met:?}");
    }
    let expected = [
        ("link", "Go to the cluster"),
        ("region", "Members"),
        ("searchbox", "Show only events with these words"),
        ("log", "What happened"),
        ("region", "Every pair"),
        ("button", "Have all members dial each other"),
    ];
    let expected = expected.map(|(role, name)| (role.to_owned(), name.to_owned()));
    assert_eq!(met, expected);
    page.run("document.getElementById('filter').focus()");
    page.press("suspected");
    page.wait_for("#timeline", "2 is suspected by ");
    assert!(!page.text("#timeline").contains("joined"));
}

fn it_asks_nobody_else(page: &Page, site: &Site) {
    let asked = page.run("return performance.getEntriesByType('resource').map(({ name }) => name)");
    let asked: Vec<_> = asked
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert!(
        asked.iter().any(|name| name.ends_with("/topology")),
        "{asked:?}"
    );
    let is_ours = |name: &&str| name.starts_with(&url(site)) || name.starts_with("data:");
    assert!(asked.iter().all(is_ours), "{asked:?}");
    // A node that is not ready yet says so by its status.
    let mut complaints = page.complaints();
    complaints.retain(|complaint| !complaint.contains("/ready"));
    assert_eq!(complaints, [""; 0]);
}

fn it_says_when_the_node_is_gone(page: &Page, brokers: Vec<Broker>) {
    drop(brokers);
    page.wait_for("#link", "no answer since ");
    page.wait_for("#link", "what stands below is from then");
    page.wait_for("#verdict", "2 of 3 members are alive");
}

#[test]
fn a_browser_asks_for_the_token_and_keeps_it_to_its_tab() {
    let Some(page) = Page::open() else {
        return;
    };
    let site = Site::new(2);
    let mut variables = site.variables(0, &Security::Plain, &[0, 1]);
    variables.push(("MANAGEMENT_SERVER_TOKEN", TOKEN.to_owned()));
    let _broker = site.start_as(0, &variables);
    visit(&page, &site);
    page.wait_for("#verdict", "This node wants its token");
    let shown = page.run("return [panels.hidden, members.childElementCount]");
    assert_eq!(shown, serde_json::json!([true, 0]));
    assert_eq!(page.focused(), ("textbox".to_owned(), "Token".to_owned()));
    page.press(&format!("8d6bff1b2c0e4a7f94{ENTER}"));
    page.wait_for("#unlock-error", "That is not its token.");
    page.press(&format!("{TOKEN}{ENTER}"));
    page.wait_for("#verdict", "This node is alone in its cluster");
    page.wait_for("#certificates", "This cluster runs without TLS");
    let _other = site.start(1, &Security::Plain);
    page.wait_for("#timeline", "1 joined");
    page.go(&url(&site));
    page.wait_for("#verdict", "All 2 members are alive");
    let kept = page
        .run("return [location.href, document.cookie, localStorage.length, sessionStorage.length]");
    assert_eq!(
        kept,
        serde_json::json!([format!("{}/", url(&site)), "", 0, 1])
    );
}

/// What is read out of the cells of one kind, in order.
fn cells(page: &Page, kind: &str) -> Vec<String> {
    let script = format!(
        "return [...document.querySelectorAll('#matrix td.{kind}')].map((cell) => cell.getAttribute('aria-label'))"
    );
    let found = page.run(&script);
    let found = found.as_array().unwrap().iter();
    found
        .map(|label| label.as_str().unwrap().to_owned())
        .collect()
}

fn url(site: &Site) -> String {
    format!("http://127.0.0.1:{}", site.admin_port(0))
}

/// Taken always, kept where the environment says so.
fn picture(page: &Page, name: &str) {
    page.run("scrollTo(0, 0)");
    let picture = page.picture();
    assert!(picture.starts_with(b"\x89PNG"));
    if let Some(directory) = std::env::var_os("PHALANX_PICTURES") {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{name}.png")), picture).unwrap();
    }
}
