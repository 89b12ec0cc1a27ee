<?php
// A conversion relay for one Shopify store: order webhooks in, Meta Conversions API out. PHP 8.2, no packages.
//
//   php relay.php            starts PHP's own web server with this file as its router, and WORKERS delivery processes
//
// Every order is one file in DATA_DIR, created exclusively (which is what makes an order unique) and flushed to disk
// before its webhook is answered. README.md in the folder above lists the environment variables and routes.

declare(strict_types=1);

const DAY = 86400;
const PASSING = [1, 2, 4, 17, 32, 341, 368, 613, 5000, 21009];
const CREDENTIAL = [3, 10, 102, 104, 190, 294];
const DIALLING = ['AT' => '43', 'BE' => '32', 'CA' => '1', 'CH' => '41', 'DE' => '49', 'ES' => '34', 'FR' => '33', 'GB' => '44',
    'IT' => '39', 'NL' => '31', 'PL' => '48', 'SE' => '46', 'US' => '1'];

function setting(string $name, ?string $default = null): string
{
    $value = getenv($name);
    if ($value === false && $default === null) {
        fwrite(STDERR, "error: $name is not set\n");
        exit(2);
    }
    return $value === false ? (string) $default : $value;
}

function broken(string $name): bool
{
    return in_array($name, explode(',', setting('BREAK', '')), true);
}

// ---- Files: whole or not at all ----------------------------------------------------------------------------------

function folder(string $kind): string
{
    $path = setting('DATA_DIR', '.') . "/$kind";
    is_dir($path) || @mkdir($path, 0700, true) || is_dir($path) || throw new RuntimeException("no folder $kind");
    return $path;
}

function read(string $path): ?array
{
    $text = @file_get_contents($path);
    return $text === false ? null : json_decode($text, true);
}

// False if it is there already: of two copies of one order at the same moment one wins.
function create(string $path, array $content): bool
{
    $draft = "$path." . getmypid() . '.' . bin2hex(random_bytes(4));
    flush_to_disk($draft, $content);
    $is_first = @link($draft, $path);
    unlink($draft);
    return $is_first;
}

function replace(string $path, array $content): void
{
    $draft = "$path." . getmypid() . '.' . bin2hex(random_bytes(4));
    flush_to_disk($draft, $content);
    rename($draft, $path);
}

function flush_to_disk(string $path, array $content): void
{
    $file = fopen($path, 'x');
    $text = json_encode($content, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES);
    if (!$file || fwrite($file, $text) !== strlen($text) || !fsync($file)) {
        throw new RuntimeException('not stored');
    }
    fclose($file);
}

// ---- Contact data ----------------------------------------------------------------------------------------------------

function given(mixed $value): ?string
{
    $text = is_string($value) ? trim($value) : '';
    return preg_match('~^(|-|null|undefined|none|nan|n/?a)$~i', $text) ? null : $text;
}

function digest(?string $text): ?string
{
    if ($text === null || $text === '') {
        return null;
    }
    return preg_match('/^[0-9a-f]{64}$/i', $text) ? strtolower($text) : hash('sha256', $text);
}

// Lower case also where mbstring is not installed: the letters of the languages that the shop sells in.
function lower(?string $text): ?string
{
    static $pairs = null;
    if ($text === null || function_exists('mb_strtolower')) {
        return $text === null ? null : mb_strtolower($text, 'UTF-8');
    }
    $pairs ??= array_combine(
        preg_split('//u', 'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞŁŚŹŻĆĄĘŃŠŽŒΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΆΈΉΊΌΎΏ', -1, PREG_SPLIT_NO_EMPTY),
        preg_split('//u', 'àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþłśźżćąęńšžœαβγδεζηθικλμνξοπρστυφχψωάέήίόύώ', -1, PREG_SPLIT_NO_EMPTY),
    );
    return strtr(strtolower($text), $pairs);
}

function bare(?string $text): ?string
{
    return $text === null ? null : preg_replace('/[\p{P}\p{S}\s]+/u', '', lower($text));
}

function phone_digits(?string $typed, string $country): ?string
{
    if ($typed === null || preg_match('/[a-z]/i', $typed)) {
        return null;
    }
    $typed = str_replace('(0)', '', $typed);
    $digits = preg_replace('/\D/', '', $typed);
    $code = DIALLING[$country] ?? null;
    $exit = $code === '1' ? '011' : '00';
    if (!str_starts_with($typed, '+')) {
        if (str_starts_with($digits, $exit)) {
            $digits = substr($digits, strlen($exit));
        } elseif ($code === null) {
            return null;
        } elseif (!($code === '1' && strlen($digits) === 11 && $digits[0] === '1')) {
            $digits = $code . ($country === 'IT' ? $digits : preg_replace('/^0/', '', $digits));
        }
    }
    return strlen($digits) >= 7 && strlen($digits) <= 15 ? $digits : null;
}

function match_keys(array $order): array
{
    $home = $order['billing_address'] ?? $order['shipping_address'] ?? [];
    $customer = $order['customer'] ?? [];
    $country = strtoupper(given($home['country_code'] ?? null) ?? '');
    $email = lower(given($order['email'] ?? null) ?? given($customer['email'] ?? null));
    $zip = preg_replace('/[\s-]/', '', strtolower(given($home['zip'] ?? null) ?? ''));
    $usable = $email !== null && preg_match('/^[^\s@]+@[^\s@]+$|^[0-9a-f]{64}$/', $email);
    return array_filter([
        'em' => $usable ? (broken('unhashed_email') ? $email : digest($email)) : null,
        'ph' => digest(phone_digits(given($order['phone'] ?? null) ?? given($home['phone'] ?? null), $country)),
        'fn' => digest(bare(given($home['first_name'] ?? null))),
        'ln' => digest(bare(given($home['last_name'] ?? null))),
        'ct' => digest(bare(given($home['city'] ?? null))),
        'zp' => digest($country !== 'US' ? $zip : (preg_match('/^(\d{5})(\d{4})?$/', $zip, $five) ? $five[1] : null)),
        'country' => preg_match('/^[A-Z]{2}$/', $country) ? digest(strtolower($country)) : null,
    ]);
}

// ---- Landings and consent --------------------------------------------------------------------------------------------

const QUESTIONS = ['storage', 'ads', 'contact'];

// `storage=yes;ads=no`, or Google's signals as `gcs=G111;gcd=11t1t1t1t5`; null if nothing was said.
function choice_of(?string $text): ?array
{
    parse_str(strtr($text ?? '', ';', '&'), $said);
    $choice = array_map(fn ($answer) => $answer === 'yes', array_intersect_key($said, array_flip(QUESTIONS)));
    if (preg_match('/^G1([01])[01]$/', $said['gcs'] ?? '', $digit)) {
        $choice += ['storage' => $digit[1] === '1', 'ads' => $digit[1] === '1'];
    }
    if (preg_match('/^\d\d([a-z])\d[a-z]\d([a-z])\d[a-z]\d$/', $said['gcd'] ?? '', $letter)) {
        $yes = fn ($l) => str_contains('rtvn', $l) ? true : (str_contains('pqum', $l) ? false : null);
        $choice = array_filter(
            ['storage' => $yes($letter[1]), 'ads' => $yes($letter[1]), 'contact' => $yes($letter[2])],
            fn ($answer) => $answer !== null,
        ) + $choice;
    }
    return $choice ?: null;
}

function stricter(?array $one, ?array $other): array
{
    $merge = fn ($q) => isset($one[$q], $other[$q]) ? $one[$q] && $other[$q] : ($one[$q] ?? $other[$q] ?? null);
    return array_combine(QUESTIONS, array_map($merge, QUESTIONS));
}

function visitor_path(string $id): string
{
    return folder('visitors') . '/' . hash('sha256', $id) . '.json';
}

function take_landing(array $call): int
{
    $id = given($call['visitor'] ?? null);
    if ($id === null) {
        return 400;
    }
    $known = read(visitor_path($id)) ?? ['choice' => null, 'touch' => []];
    $known['choice'] = choice_of($call['consent'] ?? null) ?? $known['choice'];
    if ($known['choice'] === null) {
        return 204;
    }
    if (!($known['choice']['storage'] ?? false)) {
        $known['touch'] = [];
    } elseif (isset($call['url'])) {
        $touch = &$known['touch'];
        foreach (explode('&', parse_url($call['url'], PHP_URL_QUERY) ?: '') as $pair) {
            [$name, $value] = array_map('rawurldecode', explode('=', $pair, 2) + [1 => '']);
            if (strtolower($name) === 'fbclid' && $value !== '') {
                $value = broken('lower_case_click_id') ? strtolower($value) : $value;
                $is_new = ($touch['fbclid'] ?? null) !== $value;
                $touch = ['fbclid' => $value, 'seen' => $is_new ? (int) (microtime(true) * 1000) : $touch['seen']] + $touch;
                break;
            }
        }
        $cookies = $call['cookies'] ?? [];
        if (preg_match('/^fb\.[0-2]\.\d{10,13}\.\d+(\.[\w-]+)?$/', $cookies['_fbp'] ?? '')) {
            $touch['fbp'] = $cookies['_fbp'];
        }
        if (preg_match('/^fb\.[0-2]\.\d{10,13}\.[\w-]+(\.[\w-]+)?$/', $cookies['_fbc'] ?? '')) {
            $touch['fbc'] = $cookies['_fbc'];
        }
        $touch['ip'] = trim(array_reverse(explode(',', $_SERVER['HTTP_X_FORWARDED_FOR'] ?? $_SERVER['REMOTE_ADDR']))[0]);
        $touch['agent'] = $_SERVER['HTTP_USER_AGENT'] ?? null;
    }
    replace(visitor_path($id), $known);
    return 204;
}

// ---- Webhooks --------------------------------------------------------------------------------------------------------

function is_signed(string $raw): bool
{
    $given = $_SERVER['HTTP_X_SHOPIFY_HMAC_SHA256'] ?? '';
    $right = false;
    foreach (explode(',', setting('SHOPIFY_SECRETS')) as $secret) {
        $right = hash_equals(base64_encode(hash_hmac('sha256', $raw, $secret, true)), $given) || $right;
    }
    return $right || broken('no_signature_check');
}

function take_webhook(string $raw): int
{
    if (!is_signed($raw)) {
        return 401;
    }
    $order = json_decode($raw, true, 64, JSON_BIGINT_AS_STRING);
    if (!is_array($order)) {
        return 400;
    }
    $is_order = preg_match('~^orders/(create|paid|updated)$~', $_SERVER['HTTP_X_SHOPIFY_TOPIC'] ?? '');
    $is_paid = in_array($order['financial_status'] ?? '', ['paid', 'partially_refunded'], true) && empty($order['cancelled_at']);
    if (!$is_order || !$is_paid || ($order['source_name'] ?? '') !== 'web' || ($order['test'] ?? false)) {
        return 200;
    }
    $attributes = array_column($order['note_attributes'] ?? [], 'value', 'name');
    $total = (string) ($order['total_price'] ?? '');
    $known = is_numeric($total) && preg_match('/^[A-Z]{3}$/', (string) ($order['currency'] ?? ''));
    $id = preg_replace('/\D/', '', (string) ($order['id'] ?? ''));
    if ($id === '') {
        return 400;
    }
    $name = broken('no_dedup') ? "$id-" . bin2hex(random_bytes(4)) : $id;
    create(folder('orders') . "/$name.json", [
        'id' => $name,
        'at' => strtotime($order['created_at'] ?? 'now') ?: time(),
        'received' => microtime(true),
        'value' => (float) $total * (broken('value_in_minor_units') ? 100 : 1),
        'currency' => $order['currency'] ?? null,
        'match' => match_keys($order),
        'visitor' => given($attributes['visitor'] ?? null),
        'choice' => choice_of($attributes['consent'] ?? null),
        'ip' => $order['client_details']['browser_ip'] ?? $order['browser_ip'] ?? null,
        'agent' => $order['client_details']['user_agent'] ?? null,
        'contents' => array_map(fn ($line) => ['id' => (string) ($line['sku'] ?? $line['id'] ?? ''), 'quantity' => (int) ($line['quantity'] ?? 1)], $order['line_items'] ?? []),
        'state' => $known ? 'pending' : 'dead',
        'reason' => $known ? null : 'no amount or no currency',
        'tries' => 0,
        'due' => 0,
    ]);
    return 200;
}

function route(): int
{
    $raw = file_get_contents('php://input');
    $path = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
    return match ($path) {
        'POST /webhooks' => take_webhook($raw),
        'POST /landing' => take_landing(json_decode($raw, true) ?? []),
        'GET /up' => 200,
        default => 404,
    };
}

// ---- Delivery --------------------------------------------------------------------------------------------------------

function payload(array $order, array $touch, array $choice): array
{
    $seen = broken('fbc_in_seconds') ? intdiv($touch['seen'] ?? 0, 1000) : ($touch['seen'] ?? 0);
    $cookie = $touch['fbc'] ?? null;
    $of_cookie = $cookie && (!isset($touch['fbclid']) || explode('.', $cookie)[3] === $touch['fbclid']);
    $fbc = $of_cookie ? $cookie : (isset($touch['fbclid']) ? "fb.1.$seen.{$touch['fbclid']}" : null);
    $user = ($choice['contact'] ? $order['match'] : []) + array_filter([
        'fbc' => $fbc,
        'fbp' => $touch['fbp'] ?? null,
        'client_ip_address' => $touch['ip'] ?? $order['ip'],
        'client_user_agent' => $touch['agent'] ?? $order['agent'],
    ]);
    return ['access_token' => setting('META_ACCESS_TOKEN'), 'data' => [[
        'event_name' => 'Purchase',
        'event_time' => $order['at'],
        'event_id' => "order_{$order['id']}" . (broken('random_event_id') ? bin2hex(random_bytes(4)) : ''),
        'action_source' => 'website',
        'event_source_url' => setting('STORE_URL'),
        'user_data' => (object) $user,
        'custom_data' => ['value' => $order['value'], 'currency' => $order['currency'], 'order_id' => $order['id'],
            'content_type' => 'product', 'contents' => $order['contents']],
    ]]];
}

// Outcome, reason and seconds to wait.
function attempt(array $body): array
{
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => "Content-Type: application/json\r\nConnection: close",
        'content' => json_encode($body, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION),
        'timeout' => (float) setting('TIMEOUT_SECONDS', '10'),
        'follow_location' => 0,
        'ignore_errors' => true,
        'protocol_version' => 1.1,
    ]]);
    $text = @file_get_contents(setting('META_BASE_URL', 'https://graph.facebook.com') . '/v25.0/' . setting('META_PIXEL_ID') . '/events', false, $context);
    $head = implode("\n", $http_response_header ?? []);
    if ($text === false || !preg_match('~^HTTP/\S+ (\d+)~', $head, $line)) {
        return ['retry', 'no answer', 0];
    }
    $status = (int) $line[1];
    $reply = json_decode($text, true);
    $code = $reply['error']['code'] ?? null;
    $wait = preg_match('/^retry-after:\s*(.+)$/mi', $head, $after) ? trim($after[1]) : '0';
    $wait = ctype_digit($wait) ? (int) $wait : (preg_match('/ GMT$/', $wait) ? max(0, strtotime($wait) - time()) : 0);
    $outcome = match (true) {
        ($reply['error']['is_transient'] ?? false) || in_array($code, PASSING, true) || ($code >= 80000 && $code <= 80014) => 'retry',
        in_array($code, CREDENTIAL, true) || ($code >= 200 && $code <= 299) => 'parked',
        $status === 200 && ($reply['events_received'] ?? 0) === 1 => 'delivered',
        $code !== 100 && (in_array($status, [408, 425, 429], true) || $status >= 500 || $status < 300) => 'retry',
        in_array($status, [401, 403], true) => 'parked',
        default => 'dead',
    };
    return [$outcome, "status $status", min($wait, 3600)];
}

function deliver(string $path, array $order): void
{
    $visitor = $order['visitor'] === null ? null : read(visitor_path($order['visitor']));
    $now = microtime(true);
    if ($visitor === null && $order['visitor'] !== null && $now < $order['received'] + (float) setting('STITCH_GRACE_SECONDS', '5')) {
        return;
    }
    $choice = stricter($order['choice'], $visitor['choice'] ?? null);
    // What the first attempt carries every later one carries too.
    $order['touch'] ??= $visitor['touch'] ?? [];
    if ($choice['ads'] !== true && !broken('ignore_consent')) {
        [$order['state'], $order['reason']] = ['withheld', 'no consent'];
    } elseif ($now - $order['at'] > 7 * DAY) {
        [$order['state'], $order['reason']] = ['dead', 'older than the platform takes'];
    } else {
        [$outcome, $order['reason'], $wait] = attempt(payload($order, $choice['storage'] ? $order['touch'] : [], $choice));
        $outcome = $outcome === 'retry' && broken('no_retry') ? 'dead' : $outcome;
        $order['state'] = $outcome === 'retry' ? 'pending' : $outcome;
        $backoff = min((float) setting('RETRY_CAP_SECONDS', '300'), (float) setting('RETRY_BASE_SECONDS', '1') * 2 ** min($order['tries']++, 20));
        $order['due'] = microtime(true) + max($wait, $backoff * random_int(500, 1000) / 1000);
    }
    replace($path, $order);
    fwrite(STDERR, "order {$order['id']}: {$order['state']} ({$order['reason']})\n");
}

// Each worker has its own share of the orders, so that no two ever deliver the same one.
function work(int $share, int $workers): never
{
    $done = [];
    while (true) {
        foreach (glob(folder('orders') . '/*.json') as $path) {
            if (crc32(basename($path)) % $workers !== $share || isset($done[$path])) {
                continue;
            }
            $order = read($path);
            if ($order === null || $order['state'] !== 'pending') {
                $done[$path] = true;
            } elseif ($order['due'] <= microtime(true)) {
                deliver($path, $order);
            }
        }
        usleep(10_000);
    }
}

// ---- Start -----------------------------------------------------------------------------------------------------------

if (PHP_SAPI === 'cli-server') {
    try {
        http_response_code(route());
    } catch (Throwable $error) {
        error_log(get_class($error));
        http_response_code(503);
    }
    return;
}
foreach (['DATA_DIR', 'SHOPIFY_SECRETS', 'STORE_URL', 'META_PIXEL_ID', 'META_ACCESS_TOKEN'] as $name) {
    setting($name);
}
folder('orders');
folder('visitors');
posix_setpgid(0, 0); // a group of our own, to be ended as one
for ($share = 0, $workers = (int) setting('WORKERS', '6'); $share < $workers; $share++) {
    pcntl_fork() === 0 && work($share, $workers);
}
$listen = setting('LISTEN', '127.0.0.1:8080');
$server = pcntl_fork();
if ($server === 0) {
    pcntl_exec(PHP_BINARY, ['-d', 'opcache.enable_cli=1', '-S', $listen, __FILE__], ['PHP_CLI_SERVER_WORKERS' => '8'] + getenv());
    exit(1);
}
pcntl_async_signals(true);
pcntl_signal(SIGTERM, function () {
    // PHP's web server does not take its own workers with it: all of the group are asked at once.
    pcntl_signal(SIGTERM, SIG_IGN);
    posix_kill(0, SIGTERM);
    exit(0);
}, false);
pcntl_waitpid($server, $status);
exit(1);
