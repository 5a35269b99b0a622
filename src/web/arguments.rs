//! Arguments of a request as Frappe reads them (`docs/frappe/rest.md`: Arguments): a JSON body alone, else query and form together.

use bytes::Bytes;
use poem::error::ReadBodyError;
use poem::web::Multipart;
use poem::{FromRequest, Request, RequestBody};
use serde_json::{Map, Value as Json};
use tokio::io::AsyncReadExt as _;

use crate::error::{Error, ProblemKind, Result};
use crate::files::Spooled;
use crate::foreign;
use crate::pace;
use crate::web::body::{self, Reading};
use crate::web::site::Site;

/// How many files a form brings at most.
const MOST_FILES: usize = 200;

/// Arguments and files.
#[derive(Debug, Default)]
pub struct Arguments {
    /// The arguments; of a name that came twice, the last.
    pub values: Map<String, Json>,
    /// The files of a multipart body.
    pub files: Vec<UploadedFile>,
}

/// The fields of an HTML form, in the order sent.
#[derive(Debug, Default)]
pub struct Form {
    /// Names and values; a name may repeat.
    pub fields: Vec<(String, String)>,
    /// The files of a multipart form; inputs left empty are not here.
    pub files: Vec<UploadedFile>,
}

impl Form {
    /// The first value of a name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A file that came with a request.
#[derive(Debug)]
pub struct UploadedFile {
    /// The form field's name.
    pub field: String,
    /// The file's name as the sender has it.
    pub filename: String,
    /// The type the sender claims.
    pub content_type: Option<String>,
    /// The bytes, on disk.
    pub content: Spooled,
}

/// Reads the arguments of a request; takes its body.
pub(crate) async fn read(request: &mut Request) -> Result<Arguments> {
    let mut body = take_body(request).await?;
    if body.is_json {
        return match body.json.take() {
            Some(Json::Object(mut values)) => {
                values.shift_remove("_");
                Ok(Arguments { values, files: Vec::new() })
            }
            Some(list @ Json::Array(_)) => {
                Ok(Arguments { values: Map::from_iter([("data".to_owned(), list)]), files: Vec::new() })
            }
            Some(_) => Err(Error::invalid(ProblemKind::Validation, "Invalid request arguments: send a JSON object")),
            None => Ok(Arguments { values: query(request), files: Vec::new() }),
        };
    }
    let mut values = query(request);
    values.extend(body.form.fields.into_iter().map(|(name, value)| (name, Json::String(value))));
    values.shift_remove("_");
    Ok(Arguments { values, files: body.form.files })
}

/// Reads the fields of an HTML form; takes the body. The query is not part of it.
pub(crate) async fn read_form(request: &mut Request) -> Result<Form> {
    Ok(take_body(request).await?.form)
}

#[derive(Default)]
struct Body {
    is_json: bool,
    json: Option<Json>,
    form: Form,
}

async fn take_body(request: &mut Request) -> Result<Body> {
    let content_type = request.content_type().unwrap_or("").to_ascii_lowercase();
    if content_type.starts_with("multipart/form-data") {
        let mut body = RequestBody::new(request.take_body());
        let multipart = Multipart::from_request(request, &mut body)
            .await
            .map_err(|error| Error::BadRequest(format!("The multipart body does not parse: {error}")))?;
        return Ok(Body { form: read_multipart(request, multipart).await?, ..Body::default() });
    }
    let reading = request.data::<Reading>().cloned();
    let bytes = take_bytes(request).await?;
    if bytes.is_empty() {
        return Ok(Body { is_json: content_type.contains("json"), ..Body::default() });
    }
    if content_type.starts_with("application/x-www-form-urlencoded") {
        if let Some(reading) = &reading {
            reading.take(bytes.len())?;
        }
        let fields =
            pace::aside(bytes.len() > pace::MANY_BYTES, || url::form_urlencoded::parse(&bytes).into_owned().collect());
        return Ok(Body { form: Form { fields, files: Vec::new() }, ..Body::default() });
    }
    let bytes = foreign::without_mark(&bytes);
    let looks_like_json = matches!(bytes.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['));
    if content_type.contains("json") || (content_type.is_empty() && looks_like_json) {
        let json = parse_json(reading.as_ref(), bytes)?;
        return Ok(Body { is_json: true, json: Some(json), ..Body::default() });
    }
    // Frappe ignores bodies of other types, such as text/plain.
    Ok(Body::default())
}

/// Reads a body that is one JSON text; takes it.
pub(crate) async fn read_json(request: &mut Request) -> Result<Json> {
    let bytes = take_bytes(request).await?;
    parse_json(request.data::<Reading>(), foreign::without_mark(&bytes))
}

async fn take_bytes(request: &mut Request) -> Result<Bytes> {
    request.take_body().into_bytes().await.map_err(|error| match error {
        ReadBodyError::PayloadTooLarge => Error::TooLarge("The body is too large".to_owned()),
        _ => Error::BadRequest("The body ended too early".to_owned()),
    })
}

fn parse_json(reading: Option<&Reading>, bytes: &[u8]) -> Result<Json> {
    if let Some(reading) = reading {
        reading.take_values(bytes)?;
    }
    pace::aside(bytes.len() > pace::MANY_BYTES, || serde_json::from_slice(bytes))
        .map_err(|error| Error::BadRequest(format!("The body is not valid JSON: {error}")))
}

/// Reads a multipart form: texts into memory, files to disk.
async fn read_multipart(request: &Request, mut multipart: Multipart) -> Result<Form> {
    let broken =
        |error: &dyn std::fmt::Display| Error::BadRequest(format!("The multipart body does not parse: {error}"));
    let folder = request.data::<Site>().map_or_else(std::env::temp_dir, |site| site.files.temporary());
    let reading = request.data::<Reading>();
    let take = |bytes| reading.map_or(Ok(()), |reading| reading.take(bytes));
    let mut form = Form::default();
    while let Some(field) = multipart.next_field().await.map_err(|error| broken(&error))? {
        take(body::VALUE)?;
        let name = field.name().unwrap_or("").to_owned();
        let filename = field.file_name().map(str::to_owned);
        let content_type = field.content_type().map(str::to_owned);
        let mut reader = Box::pin(field.into_async_read());
        if let Some(filename) = filename {
            if form.files.len() == MOST_FILES {
                return Err(Error::TooLarge(format!("A form brings at most {MOST_FILES} files")));
            }
            let ended = |error| Error::BadRequest(format!("The file ended too early: {error}"));
            let content = Spooled::read(&folder, reader, ended).await?;
            if !filename.is_empty() || content.length > 0 {
                form.files.push(UploadedFile { field: name, filename, content_type, content });
            }
            continue;
        }
        let mut text = Vec::new();
        loop {
            let read = reader.read_buf(&mut text).await.map_err(|error| broken(&error))?;
            if read == 0 {
                break;
            }
            take(read)?;
        }
        let text = String::from_utf8(text)
            .map_err(|_| Error::BadRequest(format!("The form field {name} is not valid UTF-8")))?;
        form.fields.push((name, text));
    }
    Ok(form)
}

fn query(request: &Request) -> Map<String, Json> {
    let query = request.uri().query().unwrap_or("");
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name != "_")
        .map(|(name, value)| (name.into_owned(), Json::String(value.into_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn values(content_type: &str, body: &str, uri: &str) -> Result<Json> {
        let mut builder = Request::builder().uri_str(uri);
        if !content_type.is_empty() {
            builder = builder.content_type(content_type);
        }
        let mut request = builder.body(body.to_owned());
        read(&mut request).await.map(|arguments| Json::Object(arguments.values))
    }

    #[tokio::test]
    async fn a_json_body_hides_the_query() {
        let read = values("application/json", r#"{"a":1,"_":2}"#, "/x?b=2").await.unwrap();
        assert_eq!(read, json!({"a": 1}));
    }

    #[tokio::test]
    async fn query_and_form_come_together() {
        let read = values("application/x-www-form-urlencoded", "a=1&c=%20", "/x?b=2&_=9").await.unwrap();
        assert_eq!(read, json!({"b": "2", "a": "1", "c": " "}));
    }

    #[tokio::test]
    async fn a_list_is_called_data() {
        assert_eq!(values("", "[1]", "/x").await.unwrap(), json!({"data": [1]}));
    }

    #[tokio::test]
    async fn a_byte_order_mark_is_no_part_of_the_body() {
        for content_type in ["", "application/json"] {
            let read = values(content_type, "\u{feff}{\"a\":1}", "/x").await.unwrap();
            assert_eq!(read, json!({"a": 1}), "{content_type}");
        }
    }

    #[tokio::test]
    async fn nonsense_is_the_senders_mistake() {
        assert!(matches!(values("application/json", "{", "/x").await, Err(Error::BadRequest(_))));
        assert!(matches!(values("application/json", "7", "/x").await, Err(Error::Validation(_))));
    }
}
