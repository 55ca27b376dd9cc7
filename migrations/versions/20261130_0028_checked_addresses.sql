-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations SET projector_version = 3
WHERE slice = 'eligibility' AND NOT EXISTS (SELECT FROM mirror.records);
