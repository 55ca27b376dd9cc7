-- Where there is something to rebuild, the release rebuilds it by itself, beside the generation that serves.
UPDATE read_model.generations SET projector_version = 2
WHERE slice IN ('catalog', 'orders') AND NOT EXISTS (SELECT FROM mirror.records);

CREATE INDEX fulfilments_done ON portal.fulfilments (finished_at) WHERE state = 'done';

CREATE INDEX fulfilment_pauses ON portal.fulfilment_steps (at) WHERE outcome = 'pause';
