//! Countries and US states as shops write them, and their codes.

/// ISO 3166-1 alpha-2 code in upper case; `None` for what names no country.
///
/// Stores send the code; the names and three-letter codes of common markets are for hand-made imports.
pub(super) fn alpha2(text: &str) -> Option<&'static str> {
    let text: String =
        text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    if let Some((_, code)) = COUNTRY_NAMES.iter().find(|(name, _)| *name == text) {
        return Some(code);
    }
    COUNTRY_CODES.split_ascii_whitespace().find(|code| code.eq_ignore_ascii_case(&text))
}

/// Two-letter code in lower case of a US state whose name is given in lower case without blanks.
pub(super) fn us_state(name: &str) -> Option<&'static str> {
    US_STATES.iter().find(|(state, _)| *state == name).map(|(_, code)| *code)
}

/// Officially assigned codes, and `XK`, which stores use for Kosovo.
const COUNTRY_CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ \
    BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM \
    DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS \
    GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN \
    KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ \
    MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM \
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV \
    SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI \
    VN VU WF WS XK YE YT ZA ZM ZW";

/// Names and three-letter codes, lower case without blanks.
const COUNTRY_NAMES: &[(&str, &str)] = &[
    ("usa", "US"),
    ("unitedstates", "US"),
    ("unitedstatesofamerica", "US"),
    ("uk", "GB"),
    ("gbr", "GB"),
    ("greatbritain", "GB"),
    ("unitedkingdom", "GB"),
    ("england", "GB"),
    ("scotland", "GB"),
    ("wales", "GB"),
    ("deu", "DE"),
    ("germany", "DE"),
    ("deutschland", "DE"),
    ("aut", "AT"),
    ("austria", "AT"),
    ("österreich", "AT"),
    ("che", "CH"),
    ("switzerland", "CH"),
    ("schweiz", "CH"),
    ("fra", "FR"),
    ("france", "FR"),
    ("esp", "ES"),
    ("spain", "ES"),
    ("españa", "ES"),
    ("ita", "IT"),
    ("italy", "IT"),
    ("italia", "IT"),
    ("nld", "NL"),
    ("netherlands", "NL"),
    ("bel", "BE"),
    ("belgium", "BE"),
    ("pol", "PL"),
    ("poland", "PL"),
    ("prt", "PT"),
    ("portugal", "PT"),
    ("swe", "SE"),
    ("sweden", "SE"),
    ("dnk", "DK"),
    ("denmark", "DK"),
    ("nor", "NO"),
    ("norway", "NO"),
    ("fin", "FI"),
    ("finland", "FI"),
    ("irl", "IE"),
    ("ireland", "IE"),
    ("hun", "HU"),
    ("hungary", "HU"),
    ("cze", "CZ"),
    ("czechia", "CZ"),
    ("can", "CA"),
    ("canada", "CA"),
    ("aus", "AU"),
    ("australia", "AU"),
    ("nzl", "NZ"),
    ("newzealand", "NZ"),
    ("jpn", "JP"),
    ("japan", "JP"),
    ("bra", "BR"),
    ("brazil", "BR"),
    ("mex", "MX"),
    ("mexico", "MX"),
    ("ind", "IN"),
    ("india", "IN"),
    ("chn", "CN"),
    ("china", "CN"),
];

const US_STATES: &[(&str, &str)] = &[
    ("alabama", "al"),
    ("alaska", "ak"),
    ("arizona", "az"),
    ("arkansas", "ar"),
    ("california", "ca"),
    ("colorado", "co"),
    ("connecticut", "ct"),
    ("delaware", "de"),
    ("districtofcolumbia", "dc"),
    ("florida", "fl"),
    ("georgia", "ga"),
    ("hawaii", "hi"),
    ("idaho", "id"),
    ("illinois", "il"),
    ("indiana", "in"),
    ("iowa", "ia"),
    ("kansas", "ks"),
    ("kentucky", "ky"),
    ("louisiana", "la"),
    ("maine", "me"),
    ("maryland", "md"),
    ("massachusetts", "ma"),
    ("michigan", "mi"),
    ("minnesota", "mn"),
    ("mississippi", "ms"),
    ("missouri", "mo"),
    ("montana", "mt"),
    ("nebraska", "ne"),
    ("nevada", "nv"),
    ("newhampshire", "nh"),
    ("newjersey", "nj"),
    ("newmexico", "nm"),
    ("newyork", "ny"),
    ("northcarolina", "nc"),
    ("northdakota", "nd"),
    ("ohio", "oh"),
    ("oklahoma", "ok"),
    ("oregon", "or"),
    ("pennsylvania", "pa"),
    ("rhodeisland", "ri"),
    ("southcarolina", "sc"),
    ("southdakota", "sd"),
    ("tennessee", "tn"),
    ("texas", "tx"),
    ("utah", "ut"),
    ("vermont", "vt"),
    ("virginia", "va"),
    ("washington", "wa"),
    ("westvirginia", "wv"),
    ("wisconsin", "wi"),
    ("wyoming", "wy"),
    ("puertorico", "pr"),
];
