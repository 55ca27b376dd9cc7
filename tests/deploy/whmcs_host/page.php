<?php
/**
 * As much of WHMCS's client area as a hook file sees, served by `php -S`: a session, the hook points of a page, and what
 * they return. `/viewinvoice.php?status=Paid` is the page of an invoice, everything else any page.
 */

declare(strict_types=1);

define('WHMCS', true);
define('ROOTDIR', getenv('WHMCS_ROOT'));
$hooks = [];

function add_hook(string $event, int $priority, callable $callback): void
{
    $GLOBALS['hooks'][$event][] = $callback;
}

function run_hooks(string $event, array $vars): array
{
    return array_map(fn ($callback) => $callback($vars), $GLOBALS['hooks'][$event] ?? []);
}

session_start();
require getenv('WHMCS_HOOK_FILE');

$invoice = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) === '/viewinvoice.php';
$vars = $invoice ? ['status' => $_GET['status'] ?? 'Unpaid'] : [];
$returned = run_hooks('ClientAreaPage', $vars);
$more = $invoice ? run_hooks('ClientAreaPageViewInvoice', $vars) : [];
$header = implode('', array_filter(run_hooks('ClientAreaHeaderOutput', $vars), 'is_string'));
header('Content-Type: application/json');
echo json_encode(['page' => $returned, 'invoice' => $more, 'header' => $header]);
