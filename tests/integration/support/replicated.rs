//! [`Replicated`]: a PostgreSQL server of a test's own, with a streaming replica.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, Database, Statement};
use tempfile::TempDir;

use super::database::is_postgres;

/// The variable that names the folder of PostgreSQL's programs.
const PROGRAMS: &str = "DOCTYPED_TEST_POSTGRES_PROGRAMS";

/// Two servers in a folder; they end with this value.
pub struct Replicated {
    /// Which takes writes.
    pub primary: Server,
    /// Which follows it.
    pub replica: Server,
    folder: TempDir,
}

/// One of them.
pub struct Server {
    /// The URL of the site's database there.
    pub url: String,
    port: u16,
    folder: PathBuf,
    programs: PathBuf,
}

impl Replicated {
    /// Makes both; `None`, and a word about it, where that is switched off, or in the run on SQLite.
    pub async fn new() -> Option<Self> {
        let programs = std::env::var_os(PROGRAMS).map(PathBuf::from);
        let Some(programs) = programs.filter(|_| is_postgres()) else {
            eprintln!("SKIPPED: {PROGRAMS} and DOCTYPED_TEST_DATABASE=postgres switch on what needs a replica");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let server = |name: &str| Server::at(folder.path().join(name), programs.clone());
        let (primary, replica) = (server("primary"), server("replica"));
        run(primary
            .program("initdb")
            .args(["--auth=trust", "--username=postgres", "--no-sync", "-D"])
            .arg(&primary.folder));
        primary.start();
        let made = Database::connect(primary.url.replace("/site", "/postgres")).await.unwrap();
        made.execute_unprepared("CREATE DATABASE site").await.unwrap();
        made.close().await.unwrap();
        let from = format!("host=127.0.0.1 port={} user=postgres", primary.port);
        run(replica
            .program("pg_basebackup")
            .args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", &from, "-D"])
            .arg(&replica.folder));
        replica.start();
        Some(Self { primary, replica, folder })
    }
}

impl Drop for Replicated {
    fn drop(&mut self) {
        for server in [&self.replica, &self.primary] {
            drop(server.control(&["stop", "-m", "immediate"]).output());
        }
        if is_root() {
            // It belongs to somebody else.
            drop(Command::new("chown").args(["-R", "root"]).arg(self.folder.path()).output());
        }
    }
}

impl Server {
    fn at(folder: PathBuf, programs: PathBuf) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { url: format!("postgres://postgres@127.0.0.1:{port}/site"), port, folder, programs }
    }

    /// Host and port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        // PostgreSQL does not run as root.
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn control(&self, arguments: &[&str]) -> Command {
        let mut command = self.program("pg_ctl");
        command.arg("-D").arg(&self.folder).args(arguments);
        command
    }

    /// Starts it, and waits until it answers.
    pub fn start(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c log_statement=all \
             -c hot_standby_feedback=on -c max_connections=60 -c shared_buffers=16MB",
            self.port
        );
        let log = self.folder.with_extension("log");
        // What the server says goes there; a pipe it would keep open.
        run(self.control(&["start", "-w", "-o", &options, "-l"]).arg(log).stdout(Stdio::null()));
    }

    /// `kill -9`, as far as its clients can tell.
    pub fn kill(&self) {
        run(self.control(&["stop", "-m", "immediate"]).stdout(Stdio::null()));
    }

    /// Makes the replica a primary.
    pub fn promote(&self) {
        run(self.control(&["promote", "-w"]).stdout(Stdio::null()));
    }

    /// What it was asked and did, since it was made.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.with_extension("log")).unwrap_or_default()).into_owned()
    }

    /// How many statements named a table.
    pub fn reads_of(&self, table: &str) -> usize {
        let table = format!("\"{table}\"");
        self.log().lines().filter(|line| line.contains("execute ") && line.contains(&table)).count()
    }

    /// Asks it; each row as the text of its first column.
    pub async fn ask(&self, sql: &str) -> Vec<String> {
        let connection = Database::connect(&self.url).await.unwrap();
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let rows = connection.query_all_raw(statement).await.unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    /// Waits until it answers with that text.
    pub async fn until(&self, sql: &str, answer: &str) {
        let began = Instant::now();
        while self.ask(sql).await != [answer] {
            assert!(began.elapsed() < Duration::from_secs(20), "{sql} is not {answer}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn is_root() -> bool {
    Path::new("/proc/self").exists() && {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let done = command.stderr(Stdio::piped()).output().expect("the program is there");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
