<?php
/**
 * Leads customers back to the portal from WHMCS's own pages. Belongs into includes/hooks/.
 *
 * Single sign-on opens a page of WHMCS and ends there: it takes no address outside WHMCS. So the portal adds the address
 * to return to as `portal_return`; this file keeps it in the customer's session for an hour, shows a link on every page,
 * and returns by itself once the invoice on the page is paid.
 *
 * Addresses of other origins than those in `portal-hooks/return.php` are ignored, whoever sends them, so this is no open
 * redirect even where the portal is wrong. Nothing here may break a page.
 */

declare(strict_types=1);

namespace CustomerPortal\Back;

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly.');
}

const PARAMETER = 'portal_return';
const KEPT_SECONDS = 3600;
const LONGEST = 1000;

/** The origins of the configuration, such as https://portal.example.jp; none when it cannot be read. */
function origins(): array
{
    $file = getenv('PORTAL_RETURN_CONFIG') ?: dirname(ROOTDIR) . '/portal-hooks/return.php';
    $config = is_readable($file) ? require $file : null;
    return array_filter(is_array($config) ? ($config['origins'] ?? []) : [], 'is_string');
}

/**
 * Whether an address begins with an origin exactly as configured, followed by nothing, `/`, `?` or `#`. Blanks,
 * backslashes and anything beyond ASCII are refused wherever they stand: browsers read them differently.
 */
function allowed(mixed $url, array $origins): bool
{
    if (!is_string($url) || strlen($url) > LONGEST || !preg_match('~\A[\w\-.\~:/?#\[\]@!$&\'()*+,;=%]+\z~', $url)) {
        return false;
    }
    foreach ($origins as $origin) {
        $rest = str_starts_with($url, $origin) ? substr($url, strlen($origin)) : 'x';
        if (preg_match('~\Ahttps?://[a-z0-9.-]+(:\d+)?\z~', $origin) && preg_match('~\A([/?#]|\z)~', $rest)) {
            return true;
        }
    }
    return false;
}

/** Keep the address that this request brings; return the one that is kept. */
function address(): ?string
{
    $given = $_GET[PARAMETER] ?? null;
    if (allowed($given, origins())) {
        $_SESSION[PARAMETER] = ['url' => $given, 'until' => time() + KEPT_SECONDS];
    }
    $kept = $_SESSION[PARAMETER] ?? null;
    $current = is_array($kept) && ($kept['until'] ?? 0) > time() && allowed($kept['url'] ?? null, origins());
    return $current ? $kept['url'] : null;
}

/** What a hook returns, or nothing when anything goes wrong. */
function safely(callable $work): mixed
{
    try {
        return $work();
    } catch (\Throwable $error) {
        error_log('customer portal: the way back is not shown: ' . $error->getMessage());
        return null;
    }
}

/** The link on top of a page; empty without an address. */
function link_back(): string
{
    $url = address();
    if ($url === null) {
        return '';
    }
    return '<p class="portal-return"><a href="' . htmlspecialchars($url, ENT_QUOTES) . '">Back to the customer portal</a></p>';
}

/** On the page of a paid invoice: leave. Otherwise offer the address to the theme as {$portal_return_url}. */
function from_invoice(mixed $vars): array
{
    $url = address();
    $status = is_array($vars) && is_string($vars['status'] ?? null) ? trim(strip_tags($vars['status'])) : '';
    if ($url !== null && $status === 'Paid' && !headers_sent()) {
        unset($_SESSION[PARAMETER]);
        header('Cache-Control: no-store');
        header("Location: $url", true, 303);
        exit;
    }
    return $url === null ? [] : ['portal_return_url' => $url];
}

// The first page after single sign-on is the only one that bears the address.
add_hook('ClientAreaPage', 1, fn ($vars) => safely(fn () => address() === null ? [] : ['portal_return_url' => address()]));
add_hook('ClientAreaHeaderOutput', 1, fn ($vars) => safely(fn () => link_back()));
add_hook('ClientAreaPageViewInvoice', 1000, fn ($vars) => safely(fn () => from_invoice($vars)));
