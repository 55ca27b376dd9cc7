<?php
/**
 * Delivers what the hook file spooled. Cron starts it every minute; it looks four times a second and ends by itself.
 *
 *   * * * * *  php /path/to/portal-hooks/send.php --seconds 58
 *
 * Oldest first, and one at a time: the first notice that cannot be delivered holds the others up, and pauses grow from one
 * second to one minute. What the portal refuses for good moves to `rejected/`. A notice leaves the spool only after
 * the portal acknowledged it, so one may arrive twice, always under the same webhook-id.
 *
 *   send.php --check    says whether configuration, spool, address and secret are right
 *   send.php --status   says how much waits and for how long, as JSON
 */

declare(strict_types=1);

namespace CustomerPortal;

const CONNECT_MS = 2_000;
const TOTAL_MS = 10_000;
const LOOK_MICROSECONDS = 250_000;
const LONGEST_PAUSE_SECONDS = 60;
const MOST_AT_ONCE = 500;
const MOST_REJECTED = 1_000;
/** Refusals that speak of this notice alone; all others speak of the portal, the way to it, or the configuration. */
const FOR_GOOD = [400, 409, 413, 422];

/** The configuration, or exit status 2 and a sentence. */
function configuration(string $file): array
{
    $config = is_readable($file) ? require $file : null;
    if (!is_array($config)) {
        fail("$file cannot be read. Copy config.example.php to config.php and fill it in.", 2);
    }
    foreach (['url', 'secret', 'spool'] as $name) {
        if (!is_string($config[$name] ?? null) || $config[$name] === '') {
            fail("'$name' is missing in $file.", 2);
        }
    }
    if (!is_dir($config['spool']) || !is_writable($config['spool'])) {
        fail("The spool {$config['spool']} is not a directory that this user may write. Create it.", 2);
    }
    return $config + ['ca_file' => null];
}

function fail(string $sentence, int $status): never
{
    fwrite(STDERR, "portal-hooks: $sentence\n");
    exit($status);
}

/** The paths of what waits, oldest first. */
function waiting(string $spool): array
{
    $names = array_filter(scandir($spool) ?: [], fn ($name) => str_ends_with($name, '.json') && $name[0] !== '.');
    return array_map(fn ($name) => "$spool/$name", array_values($names));
}

/** Standard Webhooks writes keys as whsec_ and base64; any other text is its own key. */
function key_of(string $secret): string
{
    $key = str_starts_with($secret, 'whsec_') ? base64_decode(substr($secret, 6), true) : false;
    return $key === false || $key === '' ? $secret : $key;
}

/** Headers of Standard Webhooks; the time is that of this attempt, because the portal believes it for five minutes. */
function signed(string $secret, string $webhookId, string $body): array
{
    $stamp = (string) time();
    $signature = base64_encode(hash_hmac('sha256', "$webhookId.$stamp.$body", key_of($secret), true));
    return [
        'Content-Type: application/json',
        "webhook-id: $webhookId",
        "webhook-timestamp: $stamp",
        "webhook-signature: v1,$signature",
    ];
}

/** One attempt: [HTTP status, 0 for no answer; Retry-After in seconds; why there was no answer]. */
function post(\CurlHandle $curl, array $config, string $webhookId, string $body): array
{
    $retryAfter = 0;
    curl_setopt_array($curl, [
        CURLOPT_URL => $config['url'],
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => $body,
        CURLOPT_HTTPHEADER => signed($config['secret'], $webhookId, $body),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_FOLLOWLOCATION => false,
        CURLOPT_CONNECTTIMEOUT_MS => CONNECT_MS,
        CURLOPT_TIMEOUT_MS => TOTAL_MS,
        CURLOPT_NOSIGNAL => true,
        CURLOPT_USERAGENT => 'whmcs-hooks/1.0',
        CURLOPT_HEADERFUNCTION => function ($_, string $line) use (&$retryAfter): int {
            if (preg_match('/^retry-after:\s*(\d+)/i', $line, $found)) {
                $retryAfter = (int) $found[1];
            }
            return strlen($line);
        },
    ] + ($config['ca_file'] ? [CURLOPT_CAINFO => $config['ca_file']] : []));
    $answer = curl_exec($curl);
    return [$answer === false ? 0 : (int) curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $retryAfter, curl_error($curl)];
}

/** Deliver one spooled file: true when it is gone from the spool, else the seconds to wait at least. */
function deliver(\CurlHandle $curl, array $config, string $path): true|int
{
    $body = @file_get_contents($path);
    if ($body === false) {
        return true; // somebody cleared it away
    }
    $webhookId = substr(strstr(basename($path, '.json'), '-'), 1);
    [$status, $retryAfter, $why] = post($curl, $config, $webhookId, $body);
    if ($status >= 200 && $status < 300) {
        unlink($path);
        return true;
    }
    if (in_array($status, FOR_GOOD, true)) {
        reject($config['spool'], $path, $status);
        return true;
    }
    fwrite(STDERR, sprintf("portal-hooks: not delivered (%s); trying again later.\n", $status ?: $why));
    return $retryAfter;
}

/** Put a refused notice aside for an administrator; the oldest of too many go. */
function reject(string $spool, string $path, int $status): void
{
    @mkdir("$spool/rejected", 0770);
    rename($path, "$spool/rejected/" . basename($path));
    fwrite(STDERR, "portal-hooks: the portal refused " . basename($path) . " ($status); it is in $spool/rejected.\n");
    foreach (array_slice(waiting("$spool/rejected"), 0, -MOST_REJECTED) as $old) {
        unlink($old);
    }
}

/** How often delivery failed in a row, and when to try again (Unix time). */
function backOff(string $spool): array
{
    $kept = json_decode((string) @file_get_contents("$spool/.backoff"), true);
    return ['failures' => (int) ($kept['failures'] ?? 0), 'not_before' => (float) ($kept['not_before'] ?? 0)];
}

/** Remember a failure; the next pause is twice the last one, give or take a quarter. */
function pause(string $spool, int $atLeastSeconds): void
{
    $failures = backOff($spool)['failures'] + 1;
    $seconds = min(2 ** min($failures - 1, 12), LONGEST_PAUSE_SECONDS) * (0.75 + mt_rand() / mt_getrandmax() / 2);
    $seconds = max($seconds, min($atLeastSeconds, LONGEST_PAUSE_SECONDS));
    file_put_contents("$spool/.backoff", json_encode(['failures' => $failures, 'not_before' => microtime(true) + $seconds]));
}

/** Send what waits until the deadline (Unix time); with none, once through. */
function run(array $config, float $deadline): void
{
    $curl = curl_init();
    do {
        $due = backOff($config['spool'])['not_before'];
        foreach ($due > microtime(true) ? [] : array_slice(waiting($config['spool']), 0, MOST_AT_ONCE) as $path) {
            $delivered = deliver($curl, $config, $path);
            if ($delivered !== true) {
                pause($config['spool'], $delivered);
                break;
            }
            if ($due > 0) {
                unlink("{$config['spool']}/.backoff");
                $due = 0.0;
            }
            if ($deadline && microtime(true) >= $deadline) {
                return;
            }
        }
        $left = $deadline - microtime(true);
        if ($left > 0) {
            usleep((int) min(LOOK_MICROSECONDS, $left * 1e6));
        }
    } while (microtime(true) < $deadline);
}

/** Send a notice about nothing: the portal checks its signature and keeps nothing of it. */
function check(array $config): never
{
    $body = json_encode(['event' => 'PortalCheck', 'object' => 'check', 'id' => '', 'client_id' => null,
        'occurred_at' => gmdate('Y-m-d\TH:i:s\Z')]);
    [$status, , $why] = post(curl_init(), $config, 'whmcs_check_' . bin2hex(random_bytes(8)), $body);
    match (true) {
        $status === 202 => print("portal-hooks: all is well; {$config['url']} accepts our signature.\n"),
        $status === 401 => fail("the portal does not believe the signature. Compare 'secret' with the portal's "
            . 'WHMCS_WEBHOOK_SECRETS, and this server\'s clock with the real time.', 1),
        $status === 403 => fail("the portal refuses this server's address. Add it to the portal's WEBHOOK_NETWORKS.", 1),
        $status === 0 => fail("{$config['url']} cannot be reached: $why.", 1),
        default => fail("{$config['url']} answered $status instead of 202. Is it PUBLIC_URL/webhooks/whmcs?", 1),
    };
    exit(0);
}

function status(array $config): never
{
    $paths = waiting($config['spool']);
    $rejected = is_dir("{$config['spool']}/rejected") ? count(waiting("{$config['spool']}/rejected")) : 0;
    $oldest = $paths ? time() - (int) substr(basename($paths[0]), 0, 10) : 0;
    $found = ['waiting' => count($paths), 'oldest_seconds' => $oldest, 'rejected' => $rejected];
    print(json_encode($found + ['failures' => backOff($config['spool'])['failures']]) . "\n");
    exit(0);
}

if (PHP_SAPI !== 'cli') {
    http_response_code(404);
    exit;
}
$options = getopt('', ['config:', 'seconds:', 'check', 'status']);
$config = configuration($options['config'] ?? __DIR__ . '/config.php');
if (isset($options['check'])) {
    check($config);
}
if (isset($options['status'])) {
    status($config);
}
$seconds = (float) ($options['seconds'] ?? 0);
$lock = fopen("{$config['spool']}/.lock", 'c');
if (!flock($lock, LOCK_EX | LOCK_NB)) {
    exit(0); // the one that cron started before is still at it
}
run($config, $seconds > 0 ? microtime(true) + $seconds : 0.0);
