<?php
/** Copy to config.php, fill in, and let only the user that runs cron read it (chmod 600). */

return [
    // The portal's PUBLIC_URL followed by /webhooks/whmcs.
    'url' => 'https://portal.example.jp/webhooks/whmcs',
    // One of the portal's WHMCS_WEBHOOK_SECRETS. `openssl rand -base64 32` makes one.
    'secret' => '',
    // Where the hook file spools; must be what PORTAL_HOOKS_SPOOL says to the web server, when that is set.
    'spool' => __DIR__ . '/spool',
    // A PEM bundle to trust instead of the system's, for a portal with a private certificate authority.
    'ca_file' => null,
];
