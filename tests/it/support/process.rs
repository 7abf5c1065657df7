//! Child processes that end with the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use super::wait_until;

/// Whether there is such a program to run.
pub(crate) fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// A running child. What it prints goes to two files; it is killed when this is dropped, and what it said on standard error
/// is shown if the test fails.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command`, its output in `NAME.out` and `NAME.err` of `directory`.
    pub(crate) fn spawn(name: &str, command: &mut Command, directory: &Path) -> Self {
        let stdout = directory.join(format!("{name}.out"));
        let stderr = directory.join(format!("{name}.err"));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
        }
    }

    /// Sends a signal by its name: `TERM`, `INT`, `STOP`. `KILL` is what dropping does.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "kill -{signal} {}", self.name);
    }

    /// Stops it, and waits until it stands still: its threads may go on for a moment after the signal.
    #[cfg(feature = "daemon")]
    pub(crate) fn stop(&self) {
        self.signal("STOP");
        let state = || {
            let id = self.child.id().to_string();
            let output = Command::new("ps")
                .args(["-o", "state=", "-p", &id])
                .output();
            String::from_utf8_lossy(&output.unwrap().stdout)
                .trim()
                .to_owned()
        };
        let what = format!("{} stands still", self.name);
        wait_until(&what, Duration::from_secs(60), || match state().as_str() {
            "T" => Ok(()),
            other => Err(other.to_owned()),
        });
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        wait_until(&what, patience, || {
            self.ended().ok_or_else(|| self.stderr())
        })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// What it has written to standard output so far.
    pub(crate) fn stdout(&self) -> Vec<u8> {
        fs::read(&self.stdout).unwrap()
    }

    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- standard error of {}:\n{}", self.name, self.stderr());
        }
    }
}

#[test]
fn a_process_is_heard_signalled_and_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let script = "trap 'echo bye; kill $!; exit 7' TERM; sleep 600 & echo ready >&2; wait";
    let mut shell = Process::spawn(
        "shell",
        Command::new("bash").args(["-c", script]),
        directory.path(),
    );
    let patience = Duration::from_secs(60);
    wait_until("the shell is ready", patience, || {
        match shell.stderr().as_str() {
            "ready\n" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    assert_eq!(shell.ended(), None);
    shell.signal("TERM");
    assert_eq!(shell.wait(patience).code(), Some(7));
    assert_eq!(shell.stdout(), b"bye\n");
}

#[test]
fn a_dropped_process_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let sleeper = Process::spawn(
        "sleeper",
        Command::new("sleep").arg("600"),
        directory.path(),
    );
    let id = sleeper.child.id().to_string();
    drop(sleeper);
    let alive = Command::new("kill")
        .args(["-0", &id])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!alive.success());
}
