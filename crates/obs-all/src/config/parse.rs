//! Parses variables, and reports what is wrong with them.

use std::time::Duration;

use obs_logging::{Builder, Delivery, Format, Output};
use obs_tracing::SpanBudget;
use tracing_subscriber::Registry;

use crate::config::{AdminPlace, Preset};

pub(crate) fn preset(text: &str) -> Result<Preset, String> {
    match text {
        "production" => Ok(Preset::Production),
        "development" => Ok(Preset::Development),
        _ => Err("give production or development".into()),
    }
}

pub(crate) fn format(text: &str) -> Result<Format, String> {
    match text {
        "json" => Ok(Format::Json),
        "console" => Ok(Format::Console),
        "auto" => Ok(Format::Auto),
        _ => Err("give json, console or auto".into()),
    }
}

pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err("give on or off".into()),
    }
}

pub(crate) fn admin_place(text: &str) -> Result<AdminPlace, String> {
    match text.strip_prefix("unix:") {
        Some(path) if !path.is_empty() => return Ok(AdminPlace::Unix(path.into())),
        _ if text == "off" => return Ok(AdminPlace::Off),
        _ => {}
    }
    text.parse().map(AdminPlace::Tcp).map_err(|_| {
        "give an address and a port such as 127.0.0.1:9464, unix: and a path, or off".into()
    })
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; give a time such as 5s or 500ms"))
}

pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("nothing would be served: give a time such as 10s".into()),
        timeout => Ok(timeout),
    }
}

pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) | Err(_) => Err("give a number of 1 or more".into()),
        Ok(count) => Ok(count),
    }
}

pub(crate) fn rate(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| "give a number of bytes a second, or 0 for none".into())
}

/// `1MB/s`, `512 KiB`, `1000000`: bytes a second.
pub(crate) fn byte_rate(text: &str) -> Result<u64, String> {
    let remedy = "give bytes a second such as 1MB/s or 512KiB/s";
    let text = text.trim();
    let text = text.strip_suffix("/s").unwrap_or(text).trim_end();
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit = match unit.trim() {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(remedy.into()),
    };
    match number.parse::<f64>() {
        Ok(number) if number * unit >= 1.0 => Ok((number * unit) as u64),
        _ => Err(remedy.into()),
    }
}

/// `1000/s` spans, or bytes where there is a unit.
pub(crate) fn span_budget(text: &str) -> Result<SpanBudget, String> {
    let remedy = "give spans a second such as 1000/s, or bytes such as 1MB/s";
    let number = text.trim();
    let number = number.strip_suffix("/s").unwrap_or(number).trim_end();
    match number.parse() {
        Ok(0) => Err(remedy.into()),
        Ok(spans) => Ok(SpanBudget::spans_per_second(spans)),
        Err(_) => byte_rate(text).map(SpanBudget::bytes_per_second).map_err(|_| remedy.to_owned()),
    }
}

pub(crate) fn proxies(text: &str) -> Result<u8, String> {
    text.trim().parse().map_err(|_| "give a number of proxies from 0 to 255".into())
}

/// Tried on a layer that writes nowhere, so that the error can name the variable.
pub(crate) fn filter(text: &str) -> Result<String, String> {
    let text = self::text(text)?;
    let nowhere =
        Builder::new().output(Output::writer(std::io::sink())).delivery(Delivery::Blocking);
    match nowhere.filter(text.clone()).build::<Registry>() {
        Ok(_) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn names(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

pub(crate) fn text(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Err("it is empty: give a value, or unset it".into()),
        false => Ok(text.to_owned()),
    }
}

pub(crate) fn price(text: &str) -> Result<Option<f64>, String> {
    let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.map(Some).ok_or_else(|| "write a price such as 0.50, in any currency".to_owned())
}

pub(crate) fn instances(text: &str) -> Result<Option<u32>, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.map(Some).ok_or_else(|| "write a number of instances from 1 on".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_rate_with_or_without_unit_is_parsed() {
        let rates = ["1MB/s", "512KiB/s", "1.5 GB", "7", "100 B/s", "20kB/s"].map(byte_rate);
        let bytes = [1_000_000, 524_288, 1_500_000_000, 7, 100, 20_000];
        assert_eq!(rates, bytes.map(Ok));
        for wrong in ["", "0", "0.5B", "-1MB", "1MB/m", "1 mb", "MB", "1e9", "inf", "1.2.3"] {
            assert!(byte_rate(wrong).unwrap_err().contains("1MB/s"), "{wrong}");
        }
    }

    #[test]
    fn budget_of_spans_counts_spans_or_bytes() {
        assert_eq!(span_budget("1000/s"), Ok(SpanBudget::spans_per_second(1_000)));
        assert_eq!(span_budget("1000"), Ok(SpanBudget::spans_per_second(1_000)));
        assert_eq!(span_budget("2MB/s"), Ok(SpanBudget::bytes_per_second(2_000_000)));
        for wrong in ["0/s", "", "many", "-3/s", "1000/m"] {
            assert!(span_budget(wrong).unwrap_err().contains("1000/s"), "{wrong}");
        }
    }
}
