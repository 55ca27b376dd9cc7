<?php
/**
 * Adds the API action PortalGatewayLog: what WHMCS's gateway log and transaction history say of one invoice. Belongs into
 * includes/api/. WHMCS has no action for it, so that a declined charge would have no reason.
 *
 * Takes `invoiceid`. Answers `entries.entry[]`, newest first: id, date, gateway, result, invoiceid, data. `data` is cut
 * short, and whatever could be a card number in it is masked. It reads, and writes nothing.
 */

declare(strict_types=1);

use WHMCS\Database\Capsule;

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly.');
}

$portalGatewayLog = static function (int $invoiceId): array {
    $most = 20;
    $masked = static function (string $text): string {
        $cut = (string) @iconv('UTF-8', 'UTF-8//IGNORE', substr((string) @iconv('UTF-8', 'UTF-8//IGNORE', $text), 0, 4000));
        return (string) preg_replace('/\p{Nd}(?:[\s.\-_*xX]{0,3}\p{Nd}){11,}/u', '[number]', $cut);
    };
    $rows = static function (string $table, string $column, int $value) use ($most): array {
        try {
            $found = Capsule::table($table)->where($column, $value)->orderBy('id', 'desc')->limit($most)->get();
            return array_map(static fn ($row) => (array) $row, is_array($found) ? $found : $found->all());
        } catch (\Throwable $error) {
            return []; // releases differ in these tables
        }
    };
    $entries = [];
    foreach ($rows('tbltransaction_history', 'invoice_id', $invoiceId) as $each) {
        $logged = $rows('tblgatewaylog', 'transaction_history_id', (int) $each['id']);
        $data = ["[description] => " . ($each['description'] ?? ''), (string) ($each['additional_information'] ?? '')];
        $entries[] = [
            'id' => (int) $each['id'],
            'date' => (string) ($each['updated_at'] ?? $each['created_at'] ?? ''),
            'gateway' => (string) ($each['gateway'] ?? ''),
            'result' => (string) ($logged[0]['result'] ?? $each['remote_status'] ?? ''),
            'invoiceid' => $invoiceId,
            'data' => $masked(implode("\n", [...array_column($logged, 'data'), ...$data])),
        ];
    }
    return $entries;
};

$portalInvoiceId = (int) ($_REQUEST['invoiceid'] ?? 0);
if ($portalInvoiceId < 1) {
    $apiresults = ['result' => 'error', 'message' => 'Invoice ID is Required'];
} else {
    $portalEntries = $portalGatewayLog($portalInvoiceId);
    $apiresults = [
        'result' => 'success',
        'totalresults' => count($portalEntries),
        'entries' => ['entry' => $portalEntries],
    ];
}
