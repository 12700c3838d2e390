"""A ticket drawn as Fu et al. 2023 draw it.

    rtickets draw --config=configs/draw/fu2023.py --workdir=runs \
        --config.ticket=runs/pretrain-pgd-... --config.sparsity=0.95
    rtickets draw --config=configs/draw/fu2023.py:aimp --workdir=runs \
        --config.ticket=runs/pretrain-pgd-...
    rtickets draw --config=configs/draw/fu2023.py:lmp,svhn_cropped --workdir=runs \
        --config.ticket=runs/pretrain-pgd-... --config.sparsity=0.9

`omp` (global, over all convolutions), `omp_row`, `omp_kernel`, `omp_channel` (within every layer);
`imp` and `aimp` on the network's own task, 19 states of 0.8^k, 10 epochs each at a constant 0.0002,
the first layer left alone; `lmp` on a target, 160 epochs, and `lmp_upstream` on the network's task
by one step of FGSM from a random start, 90 epochs. Radii are in L-infinity, 2/255 and 4/255;
others: --config.train.objective.attack.eps=4/255. Where the published code does not do what it
says, as in the scores of structured patterns, this does. The learnt masks of the authors leave a
random head as it is, here the head learns, too.
Time: a second for `omp`; the others not measured, --dry-run estimates them.
"""

from rtickets.settings import config_files
from rtickets.stages import published


def get_config(argument="omp"):
    return config_files.editable(published.fu2023_draw(*argument.split(",")))
