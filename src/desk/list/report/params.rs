//! What the address says of a report.

use crate::document::report::{Aggregate, Chart, ChartKind};

/// What the address says of a report beside columns, filters and order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportParams {
    /// The Report that it was, or is to be changed; empty for none.
    pub name: String,
    /// The fields that put documents together.
    pub groups: Vec<String>,
    /// What is computed of groups.
    pub aggregates: Vec<Aggregate>,
    /// A row with totals.
    pub totals: bool,
    /// The chart.
    pub chart: Option<Chart>,
}

impl ReportParams {
    /// The parameters, `group_by` aside.
    pub(in crate::desk::list) const NAMES: [&'static str; 6] =
        ["report", "aggregates", "totals", "chart", "chart_by", "chart_of"];

    /// Reads them; an error says what is not understood.
    pub(in crate::desk::list) fn parse<'q>(get: &impl Fn(&str) -> &'q str) -> Result<Self, String> {
        let names = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let aggregate = |text: String| {
            let wrong = || format!("`{text}` is not computed here: write sum, avg, min or max, such as sum(qty)");
            Aggregate::parse(&text).ok_or_else(wrong)
        };
        let chart = match get("chart") {
            "" => None,
            kind => Some(Chart {
                kind: ChartKind::parse(kind).ok_or_else(|| format!("`chart` is bar, line or donut, not {kind}"))?,
                by: get("chart_by").to_owned(),
                of: get("chart_of").to_owned(),
            }),
        };
        Ok(Self {
            name: get("report").to_owned(),
            groups: names(get("group_by")),
            aggregates: names(get("aggregates")).into_iter().map(aggregate).collect::<Result<_, _>>()?,
            totals: get("totals") == "1",
            chart,
        })
    }

    /// The parameters that say so.
    pub(in crate::desk::list) fn pairs(&self) -> Vec<(&'static str, String)> {
        let aggregates: Vec<String> = self.aggregates.iter().map(Aggregate::to_string).collect();
        let chart = |of: fn(&Chart) -> String| self.chart.as_ref().map(of).unwrap_or_default();
        vec![
            ("report", self.name.clone()),
            ("group_by", self.groups.join(",")),
            ("aggregates", aggregates.join(",")),
            ("totals", if self.totals { "1".to_owned() } else { String::new() }),
            ("chart", chart(|chart| chart.kind.name().to_lowercase())),
            ("chart_by", chart(|chart| chart.by.clone())),
            ("chart_of", chart(|chart| chart.of.clone())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_says_of_a_report_is_said_again() {
        let query = [
            ("report", "By Customer"),
            ("group_by", "customer, status"),
            ("aggregates", "sum(total),max(Order Item.qty)"),
            ("totals", "1"),
            ("chart", "pie"),
            ("chart_of", "count"),
        ];
        let get = |name: &str| query.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
        let params = ReportParams::parse(&get).unwrap();
        assert_eq!(params.groups, ["customer", "status"]);
        let pairs: Vec<(&str, String)> = params.pairs().into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let again = |name: &str| pairs.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str());
        assert_eq!(ReportParams::parse(&again).unwrap(), params);
        assert!(ReportParams::parse(&|name: &str| if name == "chart" { "wall" } else { "" }).is_err());
        assert!(ReportParams::parse(&|name: &str| if name == "aggregates" { "drop(x)" } else { "" }).is_err());
    }
}
