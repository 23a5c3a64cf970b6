//! A TCP proxy in front of a server, to see and to disturb what goes over the wire.
//!
//! A [`Tap`] sees every piece of bytes in both directions and says what becomes of it. Counting round trips needs no more than
//! that, and neither does losing an answer:
//!
//! ```no_run
//! # use persistence_tests::proxy::{Act, Piece, Proxy, Direction};
//! # async fn f() -> std::io::Result<()> {
//! let proxy = Proxy::start("127.0.0.1:5432", |piece: Piece<'_>| match piece.direction {
//!     Direction::ToServer if piece.bytes.windows(6).any(|w| w == b"COMMIT") => Act::PassAndCut,
//!     _ => Act::Pass,
//! })
//! .await?;
//! let url = format!("postgres://me@127.0.0.1:{}", proxy.port());
//! # Ok(()) }
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// Bytes that arrived together; not always a whole message.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Which connection, counted from 0.
    pub link: u64,
    /// Where they go.
    pub direction: Direction,
    /// Which piece of this connection and direction, counted from 0.
    pub index: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// What becomes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// It is passed on.
    Pass,
    /// It is passed on after this time; what follows it waits.
    Delay(Duration),
    /// It is passed on after the next [`Proxy::release`]; what follows it waits.
    Hold,
    /// It is lost, and the connection with it.
    Cut,
    /// It is passed on, and then the connection is cut: the request arrives, its answer does not.
    PassAndCut,
    /// The client's side is cut now, and the piece is passed on after this time: a request that is delivered after its sender
    /// gave up. To the client it is [`Act::Cut`].
    Late(Duration),
}

/// Sees every piece. Called for the pieces of one connection and direction in order.
pub trait Tap: Send + Sync + 'static {
    /// What becomes of it.
    fn piece(&self, piece: Piece<'_>) -> Act;
}

impl<F: Fn(Piece<'_>) -> Act + Send + Sync + 'static> Tap for F {
    fn piece(&self, piece: Piece<'_>) -> Act {
        self(piece)
    }
}

/// How long a server may take to answer a late request before its connection ends.
const LATE_ANSWER: Duration = Duration::from_secs(2);

/// A proxy on a port of its own of the loopback interface. Everything ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Shared {
    upstream: Mutex<String>,
    tap: Mutex<Arc<dyn Tap>>,
    next: AtomicU64,
    open: AtomicUsize,
    /// Requests whose senders were cut off and that are still to be delivered.
    late: watch::Sender<usize>,
    releases: watch::Sender<u64>,
    /// Cuts every connection that is open; then there is another one.
    cut: Mutex<CancellationToken>,
}

impl Proxy {
    /// A proxy to `upstream`, `host:port`.
    pub async fn start(upstream: impl Into<String>, tap: impl Tap) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream.into()),
            tap: Mutex::new(Arc::new(tap)),
            next: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            late: watch::channel(0).0,
            releases: watch::channel(0).0,
            cut: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Proxy { address, shared, accepting })
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Leads connections that are made from now on to another place.
    pub fn set_upstream(&self, upstream: impl Into<String>) {
        *lock(&self.shared.upstream) = upstream.into();
    }

    /// From now on this tap decides.
    pub fn set_tap(&self, tap: impl Tap) {
        *lock(&self.shared.tap) = Arc::new(tap);
    }

    /// Lets go of every piece that is held.
    pub fn release(&self) {
        self.shared.releases.send_modify(|n| *n += 1);
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        std::mem::take(&mut *lock(&self.shared.cut)).cancel();
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.open.load(SeqCst)
    }

    /// How many connections there were.
    pub fn accepted(&self) -> u64 {
        self.shared.next.load(SeqCst)
    }

    /// Waits until every request has been delivered whose sender was cut off.
    pub async fn delivered(&self) {
        // The sender lives as long as this proxy.
        let _ = self.shared.late.subscribe().wait_for(|n| *n == 0).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Accepting fails for a connection that is gone already, or for want of files; then it is the client who waits.
    loop {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let link = shared.next.fetch_add(1, SeqCst);
        tokio::spawn(serve(shared.clone(), link, client));
    }
}

/// Counts down when it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// One connection.
async fn serve(shared: Arc<Shared>, link: u64, client: TcpStream) {
    let _open = Counted::new(&shared.open);
    let cut = lock(&shared.cut).child_token();
    let upstream = lock(&shared.upstream).clone();
    let server = tokio::select! {
        server = TcpStream::connect(upstream) => server,
        () = cut.cancelled() => return,
    };
    let Ok(server) = server else { return };
    // Both are on this machine: what waits for more would only add a delay that no network has.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let pump = |from, to, direction| Pump { shared: &shared, link, direction, index: 0, from, to };
    let mut there = Box::pin(pump(client_in, server_out, Direction::ToServer).run());
    let mut back = Box::pin(pump(server_in, client_out, Direction::ToClient).run());
    // A side that ends its half leaves the other one open; whatever else ends a direction ends both.
    let (mut there_open, mut back_open) = (true, true);
    let late = loop {
        let end = tokio::select! {
            end = &mut there, if there_open => { there_open = false; end }
            end = &mut back, if back_open => { back_open = false; end }
            () = cut.cancelled() => return,
        };
        match end {
            End::Finished if there_open || back_open => {}
            End::Late(late) => break late,
            _ => return,
        }
    };
    // With both pumps the client's side ends; of the server's only what is still to be written is left.
    shared.late.send_modify(|n| *n += 1);
    drop((there, back));
    // A server that has ended meanwhile has not received it: that is for its client to find out.
    let _ = deliver(late).await;
    shared.late.send_modify(|n| *n -= 1);
}

/// How a direction ended.
enum End {
    /// Its sender has nothing more to say.
    Finished,
    /// It was cut, or broke.
    Cut,
    /// Only the server's side goes on.
    Late(Late),
}

struct Late {
    server: OwnedWriteHalf,
    bytes: Vec<u8>,
    after: Duration,
}

async fn deliver(late: Late) -> io::Result<()> {
    let Late { mut server, bytes, after } = late;
    tokio::time::sleep(after).await;
    server.write_all(&bytes).await?;
    // A server may look at whether its client is there before it begins, so the connection stays for a while.
    let _ = tokio::time::timeout(LATE_ANSWER, server.as_ref().readable()).await;
    Ok(())
}

struct Pump<'a> {
    shared: &'a Shared,
    link: u64,
    direction: Direction,
    index: u64,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
}

impl Pump<'_> {
    async fn run(mut self) -> End {
        let mut buffer = vec![0; 64 << 10];
        let mut releases = self.shared.releases.subscribe();
        loop {
            let n = match self.from.read(&mut buffer).await {
                Ok(0) => {
                    let _ = self.to.shutdown().await;
                    return End::Finished;
                }
                Ok(n) => n,
                Err(_) => return End::Cut,
            };
            let tap = lock(&self.shared.tap).clone();
            // Before the tap decides: a release right after that is meant.
            releases.mark_unchanged();
            let Pump { link, direction, index, .. } = self;
            self.index += 1;
            let act = tap.piece(Piece { link, direction, index, bytes: &buffer[..n] });
            match act {
                Act::Pass | Act::PassAndCut => {}
                Act::Delay(time) => tokio::time::sleep(time).await,
                Act::Hold => {
                    let _ = releases.changed().await;
                }
                Act::Late(after) if direction == Direction::ToServer => {
                    return End::Late(Late { server: self.to, bytes: buffer[..n].to_vec(), after });
                }
                Act::Cut | Act::Late(_) => return End::Cut,
            }
            if self.to.write_all(&buffer[..n]).await.is_err() {
                return End::Cut;
            }
            if act == Act::PassAndCut {
                // What the server has received it works on, whatever becomes of the connection.
                let _ = self.to.flush().await;
                return End::Cut;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    /// A server that tells what it receives, and answers it with the same.
    async fn echo() -> (String, mpsc::UnboundedReceiver<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let tell = tell.clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(n @ 1..) = client.read(&mut buffer).await {
                        let _ = (tell.send(buffer[..n].to_vec()), client.write_all(&buffer[..n]).await);
                    }
                });
            }
        });
        (address, told)
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap()
    }

    /// Sends, and what comes back: nothing if the connection ended.
    async fn ask(client: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
        let mut answer = vec![0; 64];
        let _ = client.write_all(bytes).await;
        let n = client.read(&mut answer).await.unwrap_or(0);
        answer.truncate(n);
        answer
    }

    /// Does this to requests that begin with an exclamation mark.
    fn on_mark(act: Act) -> impl Tap {
        move |piece: Piece<'_>| match piece.direction {
            Direction::ToServer if piece.bytes.starts_with(b"!") => act,
            _ => Act::Pass,
        }
    }

    #[tokio::test]
    async fn pieces_are_seen_in_order_in_both_directions() {
        let (address, _told) = echo().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let list = seen.clone();
        let proxy = Proxy::start(address, move |p: Piece<'_>| {
            lock(&list).push((p.link, p.direction, p.index, p.bytes.to_vec()));
            Act::Pass
        });
        let proxy = proxy.await.unwrap();
        let mut client = connect(&proxy).await;
        assert_eq!(ask(&mut client, b"one").await, b"one");
        assert_eq!(ask(&mut client, b"two").await, b"two");
        let all = lock(&seen).clone();
        let expected = [(0, b"one"), (1, b"two")].into_iter().flat_map(|(i, text)| {
            [Direction::ToServer, Direction::ToClient].map(|d| (0, d, i, text.to_vec()))
        });
        assert_eq!(all, expected.collect::<Vec<_>>());
        assert_eq!((proxy.connections(), proxy.accepted()), (1, 1));
    }

    #[tokio::test]
    async fn a_request_is_lost_or_only_its_answer() {
        let (address, mut told) = echo().await;
        let proxy = Proxy::start(address, on_mark(Act::Cut)).await.unwrap();
        assert_eq!(ask(&mut connect(&proxy).await, b"!lost").await, b"");
        proxy.set_tap(on_mark(Act::PassAndCut));
        assert_eq!(ask(&mut connect(&proxy).await, b"!answer lost").await, b"");
        assert_eq!(told.recv().await.unwrap(), b"!answer lost");
        assert_eq!(ask(&mut connect(&proxy).await, b"neither").await, b"neither");
    }

    #[tokio::test]
    async fn a_late_request_arrives_when_its_sender_has_given_up() {
        let (address, mut told) = echo().await;
        let proxy = Proxy::start(address, on_mark(Act::Late(Duration::from_millis(20)))).await.unwrap();
        assert_eq!(ask(&mut connect(&proxy).await, b"!late").await, b"");
        proxy.delivered().await;
        assert_eq!(told.try_recv().unwrap(), b"!late");
    }

    #[tokio::test]
    async fn what_is_held_goes_on_when_it_is_released() {
        let (address, mut told) = echo().await;
        let held = Arc::new(tokio::sync::Notify::new());
        let tell = held.clone();
        let proxy = Proxy::start(address, move |piece: Piece<'_>| {
            if piece.direction == Direction::ToClient {
                return Act::Pass;
            }
            tell.notify_one();
            Act::Hold
        });
        let proxy = proxy.await.unwrap();
        let mut client = connect(&proxy).await;
        client.write_all(b"held").await.unwrap();
        held.notified().await;
        assert!(told.try_recv().is_err());
        proxy.release();
        assert_eq!(told.recv().await.unwrap(), b"held");
        assert_eq!(ask(&mut client, b"").await, b"held");
    }

    #[tokio::test]
    async fn all_connections_are_cut_and_new_ones_go_elsewhere() {
        let (first, _told) = echo().await;
        let (second, mut told) = echo().await;
        let proxy = Proxy::start(first, |_: Piece<'_>| Act::Pass).await.unwrap();
        let mut client = connect(&proxy).await;
        assert_eq!(ask(&mut client, b"there").await, b"there");
        proxy.set_upstream(second);
        proxy.cut();
        assert_eq!(ask(&mut client, b"cut").await, b"");
        assert_eq!(ask(&mut connect(&proxy).await, b"elsewhere").await, b"elsewhere");
        assert_eq!(told.recv().await.unwrap(), b"elsewhere");
    }
}
