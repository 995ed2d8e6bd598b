"""What trains, trims, measures and draws the networks of this repository.

``data`` reads data sets and draws samples, ``nets`` says what the networks are, ``train`` trains them,
``trim`` trims and trains in turns, ``measure`` says what a prediction costs, ``two_hosts`` what it costs over
links of several rates, ``plot`` draws all that as SVG, ``fixtures`` writes the models that the compiler's
tests read. ``published`` holds the papers' figures.  ``scripts/README.md`` lists the commands.
"""
