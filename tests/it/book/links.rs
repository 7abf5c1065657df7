//! The contents list every page, and every link leads to a page and a heading.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use super::page::{Page, pages, root};

#[test]
fn the_contents_list_every_page_once() {
    let contents = Page::open("docs/SUMMARY.md");
    let mut listed: Vec<String> = links(&contents)
        .into_iter()
        .map(|(_, link)| format!("docs/{link}"))
        .collect();
    listed.sort();
    let there = pages().into_iter().map(|page| page.file);
    let there: Vec<_> = there
        .filter(|file| file.starts_with("docs/") && *file != contents.file)
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn every_link_leads_to_a_page_and_a_heading() {
    let mut pages = pages();
    pages.push(Page::open("ARCHITECTURE.md"));
    let headings: BTreeMap<&str, Vec<String>> = pages
        .iter()
        .map(|page| (page.file.as_str(), headings(page)))
        .collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in &pages {
        for (line, link) in links(page) {
            count += 1;
            let fault = fault(&page.file, &link, &headings);
            wrong.extend(fault.map(|fault| format!("{}:{line}: {link}: {fault}", page.file)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "{count} links");
}

/// What is wrong with a link on the page `from`.
fn fault(from: &str, link: &str, headings: &BTreeMap<&str, Vec<String>>) -> Option<String> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| {
        (path, Some(anchor.to_owned()))
    });
    let target = match path {
        "" => PathBuf::from(from),
        path => match resolved(&Path::new(from).parent().unwrap().join(path)) {
            Some(target) => target,
            None => return Some("out of the repository".to_owned()),
        },
    };
    let target = target.to_str().unwrap();
    if !root().join(target).exists() {
        return Some(format!("there is no {target}"));
    }
    // What the book links to is in the book.
    if from.starts_with("docs/") && !target.starts_with("docs/") {
        return Some("out of the book".to_owned());
    }
    let anchor = anchor?;
    match headings.get(target) {
        Some(headings) if headings.contains(&anchor) => None,
        _ => Some(format!("{target} has no such heading")),
    }
}

/// Without `.` and `..`.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if !resolved.pop() => return None,
            Component::Normal(part) => resolved.push(part),
            _ => {}
        }
    }
    Some(resolved)
}

/// Links within the repository, with their lines.
fn links(page: &Page) -> Vec<(usize, String)> {
    let link = Regex::new(r#"\]\(([^)\s]+)\)|(?:src|href)="([^"]+)""#).unwrap();
    let mut links = Vec::new();
    for (number, line) in page.prose() {
        for found in link.captures_iter(&line) {
            let target = found.get(1).or_else(|| found.get(2)).unwrap().as_str();
            if !target.contains("://") {
                links.push((number, target.to_owned()));
            }
        }
    }
    links
}

/// The anchors of a page's headings, as mdBook and GitHub make them.
fn headings(page: &Page) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut is_code = false;
    let mut headings = Vec::new();
    for line in page.text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        if is_code || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = |c: char| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || "-_".contains(c) => Some(c.to_ascii_lowercase()),
            _ => None,
        };
        let anchor: String = heading.trim().chars().filter_map(kept).collect();
        let count = seen.entry(anchor.clone()).or_default();
        *count += 1;
        headings.push(match *count {
            1 => anchor,
            count => format!("{anchor}-{}", count - 1),
        });
    }
    headings
}

#[test]
fn the_book_is_built_out_of_the_sources() {
    let settings = fs::read_to_string(root().join("docs/book.toml")).unwrap();
    // Neither version control nor a package looks there.
    assert!(
        settings.contains("build-dir = \"../target/book\""),
        "{settings}"
    );
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "target/"), "{ignored}");
}

#[test]
fn anchors_are_those_of_the_headings() {
    let page = Page {
        file: "page.md".to_owned(),
        text: "# One, *two*\n## `--dir DIR`\n```text\n# no\n```\n## One two\n".to_owned(),
    };
    assert_eq!(headings(&page), ["one-two", "--dir-dir", "one-two-1"]);
    let there = BTreeMap::from([("README.md", headings(&page))]);
    assert_eq!(fault("README.md", "#one-two", &there), None);
    assert!(fault("README.md", "#three", &there).is_some());
    assert!(fault("README.md", "nowhere.md", &there).is_some());
    assert!(fault("docs/RESULTS.md", "../README.md", &there).is_some());
}
