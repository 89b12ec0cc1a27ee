//! placeholder
use super::*;
/// DataManager
#[derive(Debug)]
pub struct DataManager;
impl Platform for DataManager {
    fn id(&self) -> &'static str { "data_manager" }
    fn title(&self) -> &'static str { "DataManager" }
    fn hosts(&self) -> &'static [&'static str] { &[] }
    fn rules(&self) -> &'static [Rule] { &[] }
    fn account(&self, _: &AccountSeed) -> Account { Account { key: String::new(), fields: BTreeMap::new(), secret: &[] } }
    fn read(&self, _: &Request, _: OffsetDateTime, _: &dyn Accounts) -> Reading { Reading { account: None, channel: Channel::Other, items: vec![], broken: vec![] } }
    fn answer(&self, _: &Request, _: &Reading, _: &[Entry]) -> Answer { Answer { reply: Reply::default(), accepted: vec![] } }
    fn failure(&self, _: FailureClass, _: &Request, _: &Reading, _: &[usize]) -> Option<Answer> { None }
    fn count(&self, _: &[Entry]) -> Vec<Counted> { vec![] }
    fn browser_copy(&self, _: &BrowserCopy, _: &Account) -> Option<Request> { None }
    fn identity(&self, _: &Person) -> Vec<IdentityRule> { vec![] }
    fn click_field(&self, _: &str) -> Option<ClickField> { None }
}
