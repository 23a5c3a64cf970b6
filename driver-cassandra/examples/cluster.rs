//! Servers to try things on: `cluster up [NODES [NAME=VALUE…]]`, `cluster down`. `cargo xtask cluster` runs it.

use persistence_tests::Cluster;
use std::error::Error;

const IMAGE: &str = "cassandra:5.0";
/// The options of the Java machine that a server has, and the official image's default for its heap is a quarter of the memory.
const ENV: &[(&str, &str)] = &[("MAX_HEAP_SIZE", "768M"), ("JVM_EXTRA_OPTS", "-XX:TieredStopAtLevel=4")];

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let verb = args.next().unwrap_or_default();
    let size: u8 = args.next().map_or(Ok(3), |n| n.parse())?;
    let env = args.map(|v| v.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())));
    let env: Option<Vec<_>> = env.collect();
    let cluster = Cluster::new("cassandra", IMAGE, 9042, "CASSANDRA_SEEDS").met("/{}:7000 is now UP");
    let cluster = cluster.env(ENV).size(size);
    match (&*verb, env) {
        ("up", Some(env)) => {
            let nodes = cluster.up(&env)?;
            let hosts: Vec<_> = nodes.iter().map(|n| n.trim_end_matches(":9042")).collect();
            println!("cassandra://{}/bench?replication=SimpleStrategy:{size}", hosts.join(","));
        }
        ("down", _) => cluster.down()?,
        _ => return Err("cluster up [NODES [NAME=VALUE…]], or cluster down".into()),
    }
    Ok(())
}
