//! [`page`]: a run as one HTML page that a person can read, with no other file and no network.
//!
//! The verdict stands first, with the command that replays the run. Below it one time axis is shared by the faults, as
//! bands; the convergence curve; and a lane for each node that shows how many others hold it alive, suspect, dead or left.
//! Messages are drawn when asked for, where the transcript holds them. The list at the end shows the entries of the part in
//! view, and starts, in a run that failed, with the last seconds before the failure.
//!
//! | module | owns |
//! |---|---|
//! | `fold` | from entries to what is drawn: fates, lanes, the curve |
//! | `data` | what the page is given, as JSON |
//! | `page.html`, `page.css`, `page.js` | the page itself |

mod data;
mod fold;

use std::time::Duration;

use super::node::NodeId;
use super::transcript::Transcript;

/// What a page says besides what the transcript does.
#[derive(Clone, Debug, Default)]
pub struct Story<'a> {
    /// What the run is called.
    pub title: &'a str,
    /// What it is about, in a sentence or two.
    pub about: &'a str,
    /// The command that runs it again.
    pub replay: &'a str,
    /// What was broken; none: everything went as expected.
    pub failure: Option<Broken>,
    /// How long the run lasted, where that is longer than until the last entry.
    pub duration: Duration,
}

/// What was expected and did not come true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which invariant or expectation.
    pub rule: String,
    /// What was seen instead.
    pub what: String,
    /// When, since the start of the run.
    pub at: Duration,
    /// At which node, if it was at one.
    pub node: Option<NodeId>,
}

/// The page of a run.
#[must_use]
pub fn page(transcript: &Transcript, story: &Story<'_>) -> String {
    let data = data::Data::new(transcript, story);
    let json = serde_json::to_string(&data).expect("texts and numbers");
    // In a script element only this sequence could end the data early.
    let json = json.replace("</", r"<\/");
    let title = escape(story.title);
    include_str!("page.html")
        .replace("{title}", &title)
        .replace("{style}", include_str!("page.css"))
        .replace("{script}", include_str!("page.js"))
        .replace("{data}", &json)
}

/// Text as it stands in HTML; without braces, which the template uses.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('{', "&#123;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{Network, NetworkOptions, Rule};

    fn halves() -> Network {
        let mut network = Network::new(NetworkOptions::default(), 3);
        let nodes = network.add_plain_nodes(4);
        network.start_all();
        network.run_for(Duration::from_secs(5)).unwrap();
        let cut = network.impose(Rule::partition(&[&nodes[..2], &nodes[2..]]));
        network.run_for(Duration::from_secs(30)).unwrap();
        network.lift(cut);
        network.run_for(Duration::from_secs(15)).unwrap();
        network
    }

    #[test]
    fn a_page_is_whole_and_says_what_it_was_told() {
        let story = Story {
            title: "halves <of four>",
            about: "</script><b>not a tag</b>",
            replay: "phalanx simulate halves.yaml --seeds 3",
            ..Story::default()
        };
        let page = page(halves().transcript(), &story);
        assert!(page.contains("<title>halves &lt;of four></title>"));
        assert_eq!(
            page.matches("</script>").count(),
            2,
            "of the data and of the script"
        );
        for left_over in ["{title}", "{style}", "{script}", "{data}"] {
            assert!(!page.contains(left_over), "{left_over}");
        }
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(
                !page.contains(outside),
                "{outside}: the page asks for nothing"
            );
        }
    }
}
