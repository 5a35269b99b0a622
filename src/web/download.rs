//! Answers that browsers keep as files.

use std::fs::File;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::header;
use poem::{IntoResponse as _, Response};

use crate::error::Result;
use crate::spreadsheet::{Format, Writer};
use crate::web::site::Site;
use crate::web::spool::Spool;

/// `Content-Disposition` with the name in ASCII and in UTF-8 (RFC 6266).
pub(crate) fn disposition(name: &str, as_attachment: bool) -> String {
    let kind = if as_attachment { "attachment" } else { "inline" };
    let ascii: String = name
        .chars()
        .map(
            |letter| {
                if letter.is_ascii_graphic() && !matches!(letter, '"' | '\\') || letter == ' ' { letter } else { '_' }
            },
        )
        .collect();
    let utf8 = utf8_percent_encode(name, NON_ALPHANUMERIC);
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{utf8}")
}

/// A table on its way to a file: rows go in one by one and never are in memory together.
pub(crate) struct TableDownload {
    format: Format,
    site: Site,
    /// Where rows go.
    pub writer: Writer,
    spool: Spool,
}

impl TableDownload {
    /// An empty one; the title names the sheet.
    pub(crate) fn new(site: &Site, format: Format, title: &str) -> Result<Self> {
        let writer = Writer::new(format, title, &site.files.temporary())?;
        Ok(Self { format, site: site.clone(), writer, spool: Spool::new(site) })
    }

    /// The first row, with a note for each heading that has one.
    pub(crate) fn head(&mut self, headings: &[String], notes: &[String]) -> Result<()> {
        self.writer.head(headings, notes, &mut self.spool.memory)
    }

    /// A further row.
    pub(crate) fn row(&mut self, cells: &[crate::spreadsheet::Cell]) -> Result<()> {
        self.writer.row(cells, &mut self.spool.memory)?;
        self.spool.settle()
    }

    /// The whole as an answer, which browsers keep under the title.
    pub(crate) fn finish(self, title: &str) -> Result<Response> {
        let file: Option<File> = crate::pace::aside(true, || self.writer.finish(&self.site.files.temporary()))?;
        let mut spool = self.spool;
        if let Some(file) = file {
            spool.take_file(file)?;
        }
        spool.finish()?;
        let disposition = disposition(&format!("{title}.{}", self.format.extension()), true);
        let response = spool.into_response(self.format.media_type(), Vec::new(), Vec::new());
        Ok(response.with_header(header::CONTENT_DISPOSITION, disposition).into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_headers_are_plain() {
        assert_eq!(
            disposition("a\"ü.txt", true),
            "attachment; filename=\"a__.txt\"; filename*=UTF-8''a%22%C3%BC%2Etxt"
        );
        assert!(disposition("a\r\nb", false).is_ascii());
    }
}
