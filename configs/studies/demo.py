"""What `rtickets demo` runs, to start a study of one's own from.

    rtickets study --config=configs/studies/demo.py --workdir=runs

Needs `pip install 'rtickets[demo]'`. Time: about 5 minutes on two CPU cores. Result: see README.md.
"""

from rtickets.settings import config_files
from rtickets.stages.demo import demo_study


def get_config():
    return config_files.editable(demo_study())
