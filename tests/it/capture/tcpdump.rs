//! tcpdump on the loopback device, from the moment it listens to a mark that says it has seen everything before.

use std::net::{Ipv4Addr, UdpSocket};
use std::ops::RangeInclusive;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::pcap::Capture;
use crate::support::{Process, is_installed, wait_until};

/// A running tcpdump.
pub(crate) struct Tcpdump {
    process: Process,
    mark_port: u16,
    _directory: TempDir,
}

impl Tcpdump {
    /// Starts it for TCP and UDP from or to these ports, and waits until it captures. The last of them must be nobody's: the
    /// mark goes there.
    ///
    /// `None`, with a word to whoever reads the test's output, where there is no tcpdump or no permission.
    pub(crate) fn start(ports: &RangeInclusive<u16>) -> Option<Self> {
        if !is_installed("tcpdump") {
            println!("skipped: tcpdump is not installed");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("tcpdump");
        command
            .args(["-i", "lo", "-n", "-U"])
            .args(["-B", BUFFER_KIB])
            // Standard output, since as root tcpdump becomes another user before it opens a file.
            .args(["-w", "-"])
            .arg(format!("portrange {}-{}", ports.start(), ports.end()));
        let mut process = Process::spawn("tcpdump", &mut command, directory.path());
        let is_listening = wait_until("tcpdump listens", PATIENCE, || {
            let text = process.stderr();
            match process.ended() {
                _ if text.contains("listening on lo") => Ok(true),
                Some(_) => Ok(false),
                None => Err(text),
            }
        });
        if !is_listening {
            println!("skipped: tcpdump has no permission: {}", process.stderr());
            return None;
        }
        Some(Self {
            process,
            mark_port: *ports.end(),
            _directory: directory,
        })
    }

    /// Waits until everything up to now is captured, ends tcpdump, and reads what passed.
    pub(crate) fn finish(self) -> Capture {
        self.finish_with_file().0
    }

    /// The same, and the file it was read from.
    pub(crate) fn finish_with_file(self) -> (Capture, Vec<u8>) {
        let mark_port = self.mark_port;
        let file = self.finish_unread();
        let mut capture = Capture::parse(&file).unwrap();
        capture
            .datagrams
            .retain(|datagram| datagram.target.port() != mark_port);
        (capture, file)
    }

    /// The same, as tcpdump wrote it: every byte of every packet, the mark included.
    pub(crate) fn finish_unread(mut self) -> Vec<u8> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = (Ipv4Addr::LOCALHOST, self.mark_port);
        wait_until("the mark is captured", PATIENCE, || {
            // An error tells of an earlier mark, which nobody received.
            let _ = socket.send_to(MARK, target);
            let file = self.process.stdout();
            let is_marked = file.windows(MARK.len()).any(|bytes| bytes == MARK);
            is_marked.then_some(()).ok_or_else(|| self.process.stderr())
        });
        self.process.signal("INT");
        let status = self.process.wait(PATIENCE);
        let text = self.process.stderr();
        assert!(status.success(), "tcpdump: {text}");
        assert!(
            text.contains("\n0 packets dropped by kernel"),
            "the capture is not whole: {text}"
        );
        self.process.stdout()
    }
}

/// What the kernel may hold while tcpdump waits for its turn.
const BUFFER_KIB: &str = "32768";
const PATIENCE: Duration = Duration::from_secs(30);
const MARK: &[u8] = b"phalanx test: end of the capture";
