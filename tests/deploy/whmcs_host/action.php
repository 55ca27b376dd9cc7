<?php
/**
 * As much of a WHMCS as an API action sees: the constants, the request, and its tables. Runs the action once and prints
 * its answer.
 */

declare(strict_types=1);

namespace WHMCS\Database {
    class Capsule
    {
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
            return new self(array_values(array_filter($this->rows, fn ($row) => $row[$column] === $value)));
        }

        public function orderBy(string $column, string $direction): self
        {
            $rows = $this->rows;
            usort($rows, fn ($one, $other) => $direction === 'desc' ? $other[$column] <=> $one[$column] : $one[$column] <=> $other[$column]);
            return new self($rows);
        }

        public function limit(int $most): self
        {
            return new self(array_slice($this->rows, 0, $most));
        }

        public function get(): object
        {
            return new class (array_map(fn ($row) => (object) $row, $this->rows)) {
                public function __construct(private array $rows)
                {
                }

                public function all(): array
                {
                    return $this->rows;
                }
            };
        }
    }
}

namespace {
    define('WHMCS', true);
    $_REQUEST = json_decode($argv[2], true);
    require $argv[1];
    echo json_encode($apiresults, JSON_THROW_ON_ERROR);
}
