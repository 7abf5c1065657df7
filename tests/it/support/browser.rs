//! A real browser without a window: what a page looks like once its script has run.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::is_installed;

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A browser that is installed here.
pub(crate) struct Browser(&'static str);

impl Browser {
    /// `None`, with a word to whoever reads the test's output, where there is none.
    pub(crate) fn find() -> Option<Self> {
        let found = NAMES.into_iter().find(|name| is_installed(name));
        if found.is_none() {
            println!("skipped: none of {NAMES:?} is installed");
        }
        found.map(Self)
    }

    /// The page as it stands after its script, as HTML. `part` goes behind the `#` of the address.
    pub(crate) fn dump(&self, file: &Path, part: &str) -> String {
        let output = self.run(&["--dump-dom"], file, part);
        String::from_utf8(output.stdout).expect("a page is UTF-8")
    }

    /// A picture of the page, as the bytes of a PNG.
    pub(crate) fn picture(&self, file: &Path, part: &str) -> Vec<u8> {
        let dir = TempDir::new().expect("a place for the picture");
        let picture = dir.path().join("page.png");
        let option = format!("--screenshot={}", picture.display());
        self.run(&[&option, "--window-size=1300,900"], file, part);
        std::fs::read(picture).expect("the browser made a picture")
    }

    /// Nothing but the file is reachable: every name leads nowhere.
    fn run(&self, options: &[&str], file: &Path, part: &str) -> Output {
        let profile = TempDir::new().expect("a place for the profile");
        let output = Command::new(self.0)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args(["--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(options)
            .arg(format!("file://{}#{part}", file.display()))
            .output()
            .expect("the browser starts");
        assert!(output.status.success(), "{output:?}");
        output
    }
}
