//! Names of countries and of the states of the USA, as stores write them, with their codes.

use super::lower_trim;

/// ISO 3166-1: alpha-2, alpha-3 and the English name, in lower case.
#[rustfmt::skip]
const COUNTRIES: &[(&str, &str, &str)] = &[
    ("us", "usa", "united states"), ("ca", "can", "canada"), ("mx", "mex", "mexico"), ("br", "bra", "brazil"),
    ("ar", "arg", "argentina"), ("cl", "chl", "chile"), ("co", "col", "colombia"), ("gb", "gbr", "united kingdom"),
    ("ie", "irl", "ireland"), ("de", "deu", "germany"), ("at", "aut", "austria"), ("ch", "che", "switzerland"),
    ("fr", "fra", "france"), ("be", "bel", "belgium"), ("nl", "nld", "netherlands"), ("lu", "lux", "luxembourg"),
    ("it", "ita", "italy"), ("es", "esp", "spain"), ("pt", "prt", "portugal"), ("pl", "pol", "poland"),
    ("cz", "cze", "czechia"), ("sk", "svk", "slovakia"), ("hu", "hun", "hungary"), ("ro", "rou", "romania"),
    ("bg", "bgr", "bulgaria"), ("gr", "grc", "greece"), ("hr", "hrv", "croatia"), ("si", "svn", "slovenia"),
    ("lt", "ltu", "lithuania"), ("lv", "lva", "latvia"), ("ee", "est", "estonia"), ("dk", "dnk", "denmark"),
    ("se", "swe", "sweden"), ("no", "nor", "norway"), ("fi", "fin", "finland"), ("is", "isl", "iceland"),
    ("ua", "ukr", "ukraine"), ("tr", "tur", "turkey"), ("il", "isr", "israel"), ("ae", "are", "united arab emirates"),
    ("sa", "sau", "saudi arabia"), ("za", "zaf", "south africa"), ("eg", "egy", "egypt"), ("au", "aus", "australia"),
    ("nz", "nzl", "new zealand"), ("jp", "jpn", "japan"), ("kr", "kor", "south korea"), ("cn", "chn", "china"),
    ("hk", "hkg", "hong kong"), ("sg", "sgp", "singapore"), ("in", "ind", "india"), ("id", "idn", "indonesia"),
    ("my", "mys", "malaysia"), ("ph", "phl", "philippines"), ("th", "tha", "thailand"), ("vn", "vnm", "vietnam"),
    ("tw", "twn", "taiwan"), ("kw", "kwt", "kuwait"),
];

/// States of the USA and the District of Columbia: code and name, in lower case.
#[rustfmt::skip]
const US_STATES: &[(&str, &str)] = &[
    ("al", "alabama"), ("ak", "alaska"), ("az", "arizona"), ("ar", "arkansas"), ("ca", "california"),
    ("co", "colorado"), ("ct", "connecticut"), ("de", "delaware"), ("dc", "district of columbia"), ("fl", "florida"),
    ("ga", "georgia"), ("hi", "hawaii"), ("id", "idaho"), ("il", "illinois"), ("in", "indiana"), ("ia", "iowa"),
    ("ks", "kansas"), ("ky", "kentucky"), ("la", "louisiana"), ("me", "maine"), ("md", "maryland"),
    ("ma", "massachusetts"), ("mi", "michigan"), ("mn", "minnesota"), ("ms", "mississippi"), ("mo", "missouri"),
    ("mt", "montana"), ("ne", "nebraska"), ("nv", "nevada"), ("nh", "new hampshire"), ("nj", "new jersey"),
    ("nm", "new mexico"), ("ny", "new york"), ("nc", "north carolina"), ("nd", "north dakota"), ("oh", "ohio"),
    ("ok", "oklahoma"), ("or", "oregon"), ("pa", "pennsylvania"), ("ri", "rhode island"), ("sc", "south carolina"),
    ("sd", "south dakota"), ("tn", "tennessee"), ("tx", "texas"), ("ut", "utah"), ("vt", "vermont"),
    ("va", "virginia"), ("wa", "washington"), ("wv", "west virginia"), ("wi", "wisconsin"), ("wy", "wyoming"),
];

/// Provinces and territories of Canada: code and English name, in lower case.
#[rustfmt::skip]
const CA_PROVINCES: &[(&str, &str)] = &[
    ("ab", "alberta"), ("bc", "british columbia"), ("mb", "manitoba"), ("nb", "new brunswick"),
    ("nl", "newfoundland and labrador"), ("ns", "nova scotia"), ("nt", "northwest territories"), ("nu", "nunavut"),
    ("on", "ontario"), ("pe", "prince edward island"), ("qc", "quebec"), ("sk", "saskatchewan"), ("yt", "yukon"),
];

/// ISO 3166-1 alpha-2 code in lower case, from a code or an English name; `None` if it is none that we know.
/// Any two letters pass as a code, but for `UK`, which is not one.
pub fn country_code(text: &str) -> Option<String> {
    let letters: String =
        lower_trim(text).chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').collect();
    if letters == "uk" {
        return Some("gb".into());
    }
    if letters.len() == 2 && !letters.contains(' ') {
        return Some(letters);
    }
    let known = COUNTRIES.iter().find(|(_, long, name)| letters == *long || letters == *name);
    known.map(|(code, ..)| (*code).to_owned())
}

/// Two-letter code in lower case, from the code or the name of a state of the USA.
pub fn us_state_code(text: &str) -> Option<&'static str> {
    code_in(US_STATES, text)
}

/// Two-letter code in lower case, from the code or the English name of a Canadian province.
pub fn ca_province_code(text: &str) -> Option<&'static str> {
    code_in(CA_PROVINCES, text)
}

fn code_in(table: &[(&'static str, &str)], text: &str) -> Option<&'static str> {
    let name: String =
        lower_trim(text).chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').collect();
    table.iter().find(|(code, long)| name == *code || name == *long).map(|(code, _)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_found_by_code_and_name() {
        for (text, code) in [
            ("US", "us"),
            (" de ", "de"),
            ("USA", "us"),
            ("U.S.", "us"),
            ("Germany", "de"),
            ("UK", "gb"),
        ] {
            assert_eq!(country_code(text).as_deref(), Some(code), "{text}");
        }
        for text in ["", "840", "Utopia"] {
            assert_eq!(country_code(text), None, "{text}");
        }
    }

    #[test]
    fn states_are_found_by_code_and_name() {
        assert_eq!(us_state_code("California"), Some("ca"));
        assert_eq!(us_state_code("N.Y."), Some("ny"));
        assert_eq!(us_state_code("D.C."), Some("dc"));
        assert_eq!(us_state_code("Bayern"), None);
    }
}
