<?php
/** Copy to return.php and fill in; the web server must be able to read it. It holds no secret. */

return [
    // The origins to which customers may be sent back, the same as the portal's RETURN_ORIGINS.
    'origins' => ['https://portal.example.jp'],
];
