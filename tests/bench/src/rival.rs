//! The same commit on SQLite: WAL, synchronous=FULL, one writer thread, groups of up to 64.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, params};

use crate::store;

const GROUP: usize = 64;
const SCHEMA: &str = "pragma journal_mode=wal; pragma synchronous=full; pragma cache_size=-262144;
    pragma wal_autocheckpoint=4000;
    create table rec(id blob primary key, a blob, b blob, body blob) without rowid;
    create index ia on rec(a,id); create index ib on rec(b,id);";
const PUT: &str = "insert into rec(id,a,b,body) values(?,?,?,?)
    on conflict(id) do update set a=excluded.a, b=excluded.b, body=excluded.body";

struct Job {
    numbers: Range<u64>,
    done: SyncSender<()>,
}

pub struct Rival {
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl Rival {
    pub fn open(path: &Path) -> Arc<Self> {
        let connection = Connection::open(path).expect("SQLite opens");
        connection.execute_batch(SCHEMA).expect("the schema is fine");
        connection.set_prepared_statement_cache_capacity(32);
        let (jobs, queue) = sync_channel(4_096);
        let writer = std::thread::spawn(move || write(&connection, &queue));
        Arc::new(Self { jobs: Some(jobs), writer: Some(writer) })
    }

    pub fn put(&self, number: u64) {
        self.put_all(number..number + 1);
    }

    pub fn fill(&self, records: u64) {
        (0..records).step_by(1_000).for_each(|start| self.put_all(start..start + 1_000));
    }

    fn put_all(&self, numbers: Range<u64>) {
        let (done, told) = sync_channel(1);
        let jobs = self.jobs.as_ref().expect("it is open");
        jobs.send(Job { numbers, done }).expect("the writer lives");
        told.recv().expect("the writer answers");
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            writer.join().expect("the writer ends well");
        }
    }
}

fn write(connection: &Connection, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(GROUP - 1));
        connection.execute_batch("begin immediate").expect("it begins");
        for job in &group {
            for number in job.numbers.clone() {
                put(connection, number).expect("it is put");
            }
        }
        connection.execute_batch("commit").expect("it commits");
        for job in group {
            let _ = job.done.send(());
        }
    }
}

fn put(connection: &Connection, number: u64) -> rusqlite::Result<()> {
    let (key, body) = (store::key(number), store::body(number));
    let mut get = connection.prepare_cached("select body from rec where id=?")?;
    get.exists(params![b"Rowner".as_slice()])?;
    get.exists(params![key])?;
    connection
        .prepare_cached("select id from rec where b=? limit 2")?
        .query_map(params![&body[8..16]], |row| row.get::<_, Vec<u8>>(0))?
        .for_each(drop);
    connection.prepare_cached(PUT)?.execute(params![key, &body[..8], &body[8..16], body])?;
    Ok(())
}
