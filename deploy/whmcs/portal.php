<?php
/**
 * Tells the customer portal that something in WHMCS may have changed. Belongs into includes/hooks/.
 *
 * A hook runs inside the page, cron run or API call that caused it, so this file does one thing only: it writes a small
 * file into a spool directory. It never calls the network, never prints and never throws. `portal-hooks/send.php`, run by
 * cron, delivers the spool. A notice holds ids and a time, nothing else: hook payloads carry passwords and card numbers.
 * An invoice's notice also says which service each of its upgrades is for, because no action of the API does.
 */

declare(strict_types=1);

namespace CustomerPortal;

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly.');
}

/** Below so many bytes of free disk nothing is spooled any more; the portal's reconciliation finds what it missed. */
const LEAST_FREE_BYTES = 64 * 1024 * 1024;
/** The portal takes no notice with more. */
const MOST_UPGRADES = 50;

/**
 * Hook point → what may have changed: [object, keys of its id, keys of the client's id]. The first key that is present
 * counts; `params.x` looks into `params`. Where no key names the client, WHMCS's tables are asked.
 */
function notices(): array
{
    $invoice = ['invoice', ['invoiceid'], []];
    $service = ['service', ['serviceid', 'serviceId'], ['userid', 'clientId']];
    $module = ['service', ['params.serviceid'], ['params.userid']];
    $addon = ['service', ['serviceid'], ['userid']];
    $upgrade = ['upgrade', ['upgradeid'], []];
    $order = ['order', ['orderid', 'orderId', 'OrderID'], ['userId', 'userid']];
    $client = ['client', ['userid', 'client_id'], ['userid', 'client_id']];
    $ticket = ['ticket', ['ticketid'], ['userid']];

    return [
        'InvoiceCreation' => $invoice,
        'InvoiceCreated' => $invoice,
        'UpdateInvoiceTotal' => $invoice,
        'InvoicePaid' => $invoice,
        'InvoiceUnpaid' => $invoice,
        'InvoiceCancelled' => $invoice,
        'InvoiceRefunded' => $invoice,
        'InvoiceSplit' => $invoice,
        'InvoiceChangeGateway' => $invoice,
        'AddInvoiceLateFee' => $invoice,
        'PreInvoiceAutomaticCancellation' => $invoice,
        'AddInvoicePayment' => $invoice,
        // The vendor's documentation misspells the key.
        'AddTransaction' => ['invoice', ['invoiceid', 'invocieid'], ['userid']],
        'ProductEdit' => ['product', ['pid'], []],
        'ProductDelete' => ['product', ['pid'], []],
        'CCUpdate' => ['pay_method', ['userid'], ['userid']],
        'ClientAdd' => ['client', ['client_id', 'userid'], ['client_id', 'userid']],
        'ClientEdit' => $client,
        'ClientClose' => $client,
        'PreDeleteClient' => $client,
        'AfterClientMerge' => ['client', ['fromUserID'], ['toUserID']],
        'ServiceEdit' => $service,
        'PreServiceEdit' => $service,
        'ServiceDelete' => $service,
        'ServiceRecurringCompleted' => $service,
        'CancellationRequest' => ['service', ['relid'], ['userid']],
        'AfterModuleCreate' => $module,
        'AfterModuleSuspend' => $module,
        'AfterModuleUnsuspend' => $module,
        'AfterModuleTerminate' => $module,
        'AfterModuleChangePackage' => $module,
        'AfterModuleCustom' => $module,
        'AfterProductUpgrade' => $upgrade,
        'AfterConfigOptionsUpgrade' => $upgrade,
        'AfterAddonUpgrade' => $upgrade,
        'AddonAdd' => $addon,
        'AddonEdit' => $addon,
        'AddonActivation' => $addon,
        'AddonActivated' => $addon,
        'AddonSuspended' => $addon,
        'AddonUnsuspended' => $addon,
        'AddonCancelled' => $addon,
        'AddonTerminated' => $addon,
        'AddonRenewal' => $addon,
        'AddonFraud' => $addon,
        'AfterShoppingCartCheckout' => $order,
        'OrderPaid' => $order,
        'AcceptOrder' => $order,
        'CancelOrder' => $order,
        'FraudOrder' => $order,
        'PendingOrder' => $order,
        'DeleteOrder' => $order,
        'CancelAndRefundOrder' => $order,
        'TicketOpen' => $ticket,
        'TicketOpenAdmin' => $ticket,
        'TicketUserReply' => $ticket,
        'TicketAdminReply' => $ticket,
        'TicketClose' => $ticket,
        'TicketStatusChange' => $ticket,
        'TicketDelete' => $ticket,
    ];
}

/** The hook point's callback. Nothing that goes wrong here may reach the page. */
function heard(string $event, mixed $vars): void
{
    try {
        foreach (told($event, is_array($vars) ? $vars : []) as $notice) {
            if ($notice['id'] !== '' || $notice['client_id'] !== null) {
                spool($notice);
            }
        }
    } catch (\Throwable $error) {
        error_log("customer portal: $event was not spooled: " . $error->getMessage());
    }
}

/** What to tell of an event: notices without an id of their own yet. */
function told(string $event, array $vars): array
{
    [$object, $idKeys, $clientKeys] = notices()[$event];
    if ($event === 'InvoiceSplit') {
        $ids = [id($vars, ['originalinvoiceid']), id($vars, ['newinvoiceid'])];
        return array_map(fn ($id) => notice($event, 'invoice', $id, null), $ids);
    }
    $id = id($vars, $idKeys);
    $clientId = id($vars, $clientKeys);
    if ($object === 'upgrade' && $id !== '') {
        $upgrade = row('tblupgrades', $id, ['relid', 'userid']);
        [$object, $id, $clientId] = ['service', (string) ($upgrade->relid ?? ''), (string) ($upgrade->userid ?? '')];
    }
    if ($object === 'order' && $id !== '' && $clientId === '') {
        $clientId = (string) (row('tblorders', $id, ['userid'])->userid ?? '');
    }
    $notice = notice($event, $object, $id, $clientId);
    if ($object === 'invoice' && $id !== '' && ($upgrades = upgrades($id))) {
        $notice['upgrades'] = $upgrades;
    }
    if ($event === 'AfterClientMerge') {
        $notice['merged_into'] = id($vars, ['toUserID']);
    }
    return [$notice];
}

/** The body of a webhook. `occurred_at` doubles as the version. */
function notice(string $event, string $object, string $id, ?string $clientId): array
{
    $now = new \DateTimeImmutable('now', new \DateTimeZone('UTC'));
    return [
        'event' => $event,
        'object' => $object,
        'id' => $id,
        'client_id' => $clientId === '' ? null : $clientId,
        'occurred_at' => $now->format('Y-m-d\TH:i:s.v\Z'),
    ];
}

/** The first of these keys that holds an id. Only digits pass, so that nothing else can leave this server. */
function id(array $vars, array $keys): string
{
    foreach ($keys as $key) {
        [$first, $second] = explode('.', $key) + [1 => null];
        $value = $vars[$first] ?? null;
        $value = $second === null ? $value : (is_array($value) ? ($value[$second] ?? null) : null);
        if (is_scalar($value) && preg_match('/^[1-9]\d{0,18}$/', (string) $value)) {
            return (string) $value;
        }
    }
    return '';
}

/** A row of WHMCS's own tables, null when there is none. */
function row(string $table, string $id, array $columns): ?object
{
    return \WHMCS\Database\Capsule::table($table)->where('id', (int) $id)->first($columns);
}

/** The upgrades on an invoice, each with its service; none when the tables cannot be read. */
function upgrades(string $invoiceId): array
{
    $found = [];
    try {
        $lines = \WHMCS\Database\Capsule::table('tblinvoiceitems')
            ->where('invoiceid', (int) $invoiceId)->where('type', 'Upgrade')->get(['relid']);
        foreach ($lines as $line) {
            $id = id(['relid' => $line->relid], ['relid']);
            $service = $id === '' ? '' : id(['relid' => row('tblupgrades', $id, ['relid'])->relid ?? ''], ['relid']);
            if ($service !== '') {
                $found[$id] = $service;
            }
        }
    } catch (\Throwable $error) {
        error_log('customer portal: the upgrades of an invoice are not told: ' . $error->getMessage());
    }
    return array_slice($found, 0, MOST_UPGRADES, true);
}

/** Where notices wait: beside the document root, so that no browser can ask for it. */
function spoolDirectory(): string
{
    return getenv('PORTAL_HOOKS_SPOOL') ?: dirname(ROOTDIR) . '/portal-hooks/spool';
}

/** Write a notice under a name that sorts by time, whole or not at all. */
function spool(array $notice): void
{
    $directory = spoolDirectory();
    $free = function_exists('disk_free_space') ? @disk_free_space($directory) : false;
    if ($free !== false && $free < LEAST_FREE_BYTES) {
        throw new \RuntimeException("the disk is nearly full: $directory");
    }
    $seconds = explode(' ', microtime());
    $webhookId = 'whmcs_' . bin2hex(random_bytes(12));
    $name = sprintf('%010d%06d-%s', $seconds[1], (int) ((float) $seconds[0] * 1e6), $webhookId);
    $body = json_encode($notice, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES);
    if (@file_put_contents("$directory/.$name", $body) !== strlen($body)) {
        @unlink("$directory/.$name");
        throw new \RuntimeException("the spool cannot be written: $directory");
    }
    @chmod("$directory/.$name", 0660);
    if (!@rename("$directory/.$name", "$directory/$name.json")) {
        throw new \RuntimeException("the spool cannot be written: $directory");
    }
}

foreach (array_keys(notices()) as $event) {
    // Last among its kind: other hooks may still change what is stored.
    add_hook($event, 1000, function ($vars) use ($event): void {
        heard($event, $vars);
    });
}
