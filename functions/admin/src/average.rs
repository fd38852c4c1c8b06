//! Averages as clients of the Python service know them: milliseconds with one decimal, 0 where nothing was asked.

/// The mean of `requests` that took `latency_ms_total` together.
#[expect(clippy::cast_precision_loss, reason = "milliseconds and counts are far below 2^53")]
pub(crate) fn average_ms(latency_ms_total: i64, requests: i64) -> f64 {
    if requests > 0 { one_decimal(latency_ms_total as f64 / requests as f64) } else { 0.0 }
}

pub(crate) fn one_decimal(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_has_one_decimal_and_is_zero_of_nothing() {
        let averages =
            [(0, 0), (7, 0), (100, 3), (200, 3), (1, 4), (3, 1)].map(|(total, n)| average_ms(total, n).to_string());
        assert_eq!(averages, ["0", "0", "33.3", "66.7", "0.3", "3"]);
    }
}
