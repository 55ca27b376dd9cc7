<?php
/**
 * As much of a WHMCS as a hook file sees: the constants, add_hook, and its tables. Reads one {"event", "vars"} a line from
 * stdin, runs what was registered, and answers {"printed", "microseconds"} a line; "?" lists the registered hook points.
 */

declare(strict_types=1);

namespace WHMCS\Database {
    class Capsule
    {
        private array $wheres = [];

        private function __construct(private array $rows)
        {
        }

        public static function table(string $name): self
        {
            $tables = json_decode((string) getenv('WHMCS_TABLES'), true) ?: [];
            if (!isset($tables[$name])) {
                throw new \RuntimeException("Table '$name' doesn't exist");
            }
            return new self($tables[$name]);
        }

        public function where(string $column, mixed $value): self
        {
            $this->wheres[$column] = $value;
            return $this;
        }

        public function first(array $columns): ?object
        {
            return $this->get($columns)[0] ?? null;
        }

        public function get(array $columns): array
        {
            $fits = fn ($row) => array_diff_assoc($this->wheres, $row) === [];
            $shown = fn ($row) => (object) array_intersect_key($row, array_flip($columns));
            return array_map($shown, array_values(array_filter($this->rows, $fits)));
        }
    }
}

namespace {
    define('WHMCS', true);
    define('ROOTDIR', getenv('WHMCS_ROOT'));
    $hooks = [];

    function add_hook(string $event, int $priority, callable $callback): void
    {
        $GLOBALS['hooks'][$event][$priority][] = $callback;
    }

    require $argv[1];

    while (($line = fgets(STDIN)) !== false) {
        $asked = json_decode($line, true);
        if ($asked === '?') {
            fwrite(STDOUT, json_encode(array_keys($hooks)) . "\n");
            continue;
        }
        ob_start();
        $started = hrtime(true);
        foreach ($hooks[$asked['event']] ?? [] as $callbacks) {
            foreach ($callbacks as $callback) {
                $callback($asked['vars']);
            }
        }
        $took = intdiv(hrtime(true) - $started, 1000);
        fwrite(STDOUT, json_encode(['printed' => ob_get_clean(), 'microseconds' => $took]) . "\n");
    }
}
