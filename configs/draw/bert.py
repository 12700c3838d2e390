"""A ticket of a language model by iterative magnitude pruning, a tenth of all weights a round.

    rtickets draw --config=configs/draw/bert.py --workdir=runs --config.ticket=runs/pretrain-...
    rtickets draw --config=configs/draw/bert.py:task --workdir=runs \
        --config.ticket=runs/pretrain-... --config.data.path=/usr/share/wordnet
    rtickets draw --config=configs/draw/bert.py:glue_mnli --workdir=runs \
        --config.ticket=runs/pretrain-... --config.data.path=glue_data
    rtickets draw --config=configs/draw/bert.py:small --workdir=runs \
        --config.ticket=runs/pretrain-...

As published for BERT (Chen et al. 2020): the first prunes before it trains and draws on the masked
tokens of pretraining, `task` trains first and draws on a task, here the classes of glosses;
`glue_cola` to `glue_wnli` do so on GLUE, and `squad` on SQuAD 1.1, 22,000 steps a round. Every
round trains for a part of a linear schedule that is that of all rounds, from its start; all is set
back but the head. `--config.method.stop=None` and a `--config.train.duration` of one round are the
other horizon, a whole schedule a round.

Time: `small` (seven tickets, six trainings) 3 minutes on one CPU core beside other work,
2026-11-27; the others were not run, --dry-run estimates them for your machine.
"""

from rtickets.settings import config_files
from rtickets.stages import text_recipes as recipes


def get_config(which="masked"):
    return config_files.editable(config_files.pick(recipes.DRAWS, which)())
