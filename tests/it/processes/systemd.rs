//! What a broker tells systemd that started it with `Type=notify`: a real process, and the socket that systemd would hold.

use std::os::unix::net::UnixDatagram;

use super::broker::{Broker, PATIENCE, Security, Site};

/// Starts a broker as systemd would, and returns what it is told on.
fn start(site: &Site, id: usize, watchdog: &str) -> (Broker, UnixDatagram) {
    let path = site.directory().join(format!("notify{id}"));
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut variables = site.variables(id, &Security::Plain, &[0]);
    variables.push(("NOTIFY_SOCKET", path.display().to_string()));
    variables.push(("WATCHDOG_USEC", watchdog.to_owned()));
    (site.start_as(id, &variables), socket)
}

fn told(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let len = socket.recv(&mut buffer).expect("systemd is told something");
    String::from_utf8(buffer[..len].to_vec()).unwrap()
}

#[test]
fn systemd_is_told_when_a_broker_is_ready_alive_and_stopping() {
    let site = Site::new(1);
    let (mut broker, socket) = start(&site, 0, "200000");
    assert_eq!(told(&socket), "READY=1\n");
    for _ in 0..3 {
        assert_eq!(told(&socket), "WATCHDOG=1\n");
    }
    broker.signal("TERM");
    let last = std::iter::repeat_with(|| told(&socket)).find(|told| told != "WATCHDOG=1\n");
    assert_eq!(last.as_deref(), Some("STOPPING=1\n"));
    assert_eq!(broker.wait().code(), Some(0));
}

#[test]
fn systemd_is_told_nothing_by_a_broker_that_is_refused() {
    let site = Site::new(2);
    let (_first, first_told) = start(&site, 0, "0");
    assert_eq!(told(&first_told), "READY=1\n");
    // A broker that shares the number of the first is not let in.
    let path = site.directory().join("notify-second");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut variables = site.variables(1, &Security::Plain, &[0]);
    for (name, value) in &mut variables {
        if *name == "ZEEBE_BROKER_CLUSTER_NODEID" {
            "0".clone_into(value);
        }
    }
    variables.push(("NOTIFY_SOCKET", path.display().to_string()));
    let mut second = site.start_as(1, &variables);
    assert_eq!(second.wait().code(), Some(4));
    assert!(socket.recv(&mut [0; 256]).is_err());
}
