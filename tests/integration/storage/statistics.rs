//! What SQLite knows of the values in its tables.

use serde_json::json;

use super::site;
use crate::support::database::is_postgres;

#[tokio::test]
async fn statistics_follow_the_rows() {
    let site = site().await;
    if is_postgres() {
        // PostgreSQL has a process for this.
        return site.documents().database().refresh_statistics().await.unwrap();
    }
    let known = "SELECT stat FROM sqlite_stat1 WHERE tbl = 'tabStorage Note' AND idx LIKE '%creation%'";
    let rows = |stats: Vec<String>| stats.first().map(|stat| stat.split(' ').next().unwrap().to_owned());
    for title in 0..40 {
        site.db_insert("Storage Note", json!({"title": format!("note {title}")})).await;
    }
    site.documents().database().refresh_statistics().await.unwrap();
    assert_eq!(rows(site.database().ask(known).await).as_deref(), Some("40"));
    // Only where the number has changed much does it look again.
    for title in 40..600 {
        site.db_insert("Storage Note", json!({"title": format!("note {title}")})).await;
    }
    site.documents().database().refresh_statistics().await.unwrap();
    assert_eq!(rows(site.database().ask(known).await).as_deref(), Some("600"));
}
