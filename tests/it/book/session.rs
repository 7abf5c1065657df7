//! [`Session`]: the shell in which the commands of one page are run.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;
use std::{env, fs, process};

use tempfile::TempDir;

use super::commands::Step;
use super::page::root;
use crate::support::{free_ports, is_installed, wait_until};

/// Longer than any page takes; only a test that fails meets it.
const PATIENCE: Duration = Duration::from_secs(300);
/// What a page may name of the repository, as it is named from its top.
const SOURCES: [&str; 2] = ["config.example.yaml", "simulations"];
/// A page that needs one of these is not run where there is none.
const OPTIONAL: [&str; 2] = ["curl", "openssl"];

/// The ports of a page's own, in place of those it shows: pages are run side by side, and beside whatever uses the default ports.
pub(super) struct Ports {
    first: u16,
}

impl Ports {
    pub(super) fn new() -> Self {
        Self {
            first: *free_ports(40).start(),
        }
    }

    /// Shows the page's own ports: for 26502 and the 39 behind it, and for 9600, 9610, 9620 and 9630.
    pub(super) fn put_into(&self, text: &str) -> String {
        let mut changed = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let digits = &rest[start..];
            let end = digits.find(|c: char| !c.is_ascii_digit());
            let (digits, behind) = digits.split_at(end.unwrap_or(digits.len()));
            changed += &rest[..start];
            match digits.parse().ok().and_then(|port| self.own(port)) {
                Some(port) => changed += &port.to_string(),
                None => changed += digits,
            }
            rest = behind;
        }
        changed + rest
    }

    fn own(&self, shown: u16) -> Option<u16> {
        match shown {
            26_502..26_542 => Some(self.first + shown - 26_502),
            9_600 | 9_610 | 9_620 | 9_630 => Some(self.first + shown - 9_600 + 4),
            _ => None,
        }
    }
}

/// A shell that has run the commands of a page, or those up to the first that failed.
pub(super) struct Session {
    directory: TempDir,
}

impl Session {
    /// Runs all there is to run; nothing where a program is missing that it takes.
    pub(super) fn start(steps: &[Step]) -> Option<Self> {
        let script = script(steps);
        let needs = |program: &&str| script.split_whitespace().any(|word| word == *program);
        let missing = OPTIONAL.iter().filter(|program| needs(program));
        if let Some(missing) = missing.into_iter().find(|program| !is_installed(program)) {
            println!("skipped: {missing} is not installed");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let work = directory.path().join("work");
        fs::create_dir(&work).unwrap();
        for source in SOURCES {
            symlink(root().join(source), work.join(source)).unwrap();
        }
        fs::write(directory.path().join("enters"), "\n".repeat(1_000)).unwrap();
        fs::write(directory.path().join("script"), script).unwrap();
        let mut shell = Shell::spawn(directory.path(), &work);
        wait_until("the page is done", PATIENCE, || {
            let ended = shell.0.try_wait().unwrap();
            ended.ok_or_else(|| format!("commands that ended: {}", statuses(directory.path())))
        });
        Some(Self { directory })
    }

    /// What went otherwise than the page says.
    pub(super) fn faults(&self, steps: &[Step], file: &str) -> Vec<String> {
        let statuses = statuses(self.directory.path());
        let mut statuses = statuses.lines();
        let mut faults = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let Step::Run(command) = step else {
                continue;
            };
            let output = self.directory.path().join(format!("out.{number}"));
            let output =
                String::from_utf8_lossy(&fs::read(output).unwrap_or_default()).into_owned();
            let status = statuses.next();
            let fault = match status {
                Some("0") => command.fault(&output),
                Some(_) if !command.succeeds => command.fault(&output),
                Some(status) => Some(format!("it ends with {status}, and prints\n{output}")),
                None => Some("it is not reached, or ends the shell".to_owned()),
            };
            let place = format!("{file}:{}: {}", command.line, command.text);
            faults.extend(fault.map(|fault| format!("{place}\n{fault}")));
            if status.is_none() {
                break;
            }
        }
        faults
    }
}

/// One status a line, of the commands that have ended.
fn statuses(directory: &Path) -> String {
    fs::read_to_string(directory.join("statuses")).unwrap_or_default()
}

/// A shell and all that it has started, which end with this.
struct Shell(Child);

impl Shell {
    fn spawn(directory: &Path, work: &Path) -> Self {
        let binary = Path::new(env!("CARGO_BIN_EXE_phalanx"));
        let mut path = binary.parent().unwrap().as_os_str().to_owned();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let shell = process::Command::new("bash")
            .arg(directory.join("script"))
            .current_dir(work)
            .env_clear()
            .env("PATH", path)
            .env("HOME", work)
            .env("TMPDIR", directory)
            .env("SESSION", directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Self(shell.unwrap())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Whatever it has started is in its group; an error says that nothing is left of it.
        let group = format!("-{}", self.0.id());
        let _ = process::Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        let _ = self.0.wait();
    }
}

/// The commands, each with its output and its status kept, up to the first that fails and must not. After each the shell looks at
/// its jobs, as one with a prompt does: else the numbers of those that have ended are not given again.
fn script(steps: &[Step]) -> String {
    let mut script = String::from("last=0\n");
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Write { file, content } => {
                let written = format!("cat > {file} <<'END OF FILE'\n{content}END OF FILE\n");
                script += &written;
            }
            Step::Run(command) => {
                let text = &command.text;
                let output = format!("\"$SESSION/out.{number}\"");
                script += &format!(
                    "{{ (exit $last)\n{text}\n}} <\"$SESSION/enters\" >{output} 2>&1\n\
                     last=$?; echo $last >>\"$SESSION/statuses\"; jobs >/dev/null\n"
                );
                if command.succeeds {
                    script += "[ $last = 0 ] || exit\n";
                }
            }
        }
    }
    script
}

#[test]
fn ports_are_changed_where_they_are_shown() {
    let ports = Ports { first: 20_000 };
    let text = "a 127.0.0.1:26502,26525 9610 196000 96009 é9600";
    let changed = "a 127.0.0.1:20000,20023 20014 196000 96009 é20004";
    assert_eq!(ports.put_into(text), changed);
}
