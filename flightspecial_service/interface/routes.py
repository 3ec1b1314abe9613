"""Which path is answered by whom."""

from starlette.routing import Route

from flightspecial_service.interface.legacy import ANY_ORIGIN, LegacyApi
from flightspecial_service.interface.probes import Probes
from flightspecial_service.interface.resource import Resource
from flightspecial_service.interface.specials import SpecialsApi


def routes(specials: SpecialsApi, legacy: LegacyApi, probes: Probes) -> list[Route]:
    """All routes. A list answers with and without the slash at its end; nothing is redirected."""
    every = Resource({"GET": specials.list_all})
    on_sale = Resource({"GET": legacy.list_on_sale}, headers=ANY_ORIGIN)
    return [
        Route("/flightspecials", every),
        Route("/flightspecials/", every),
        Route("/flightspecials/{id}", Resource({"GET": specials.show})),
        Route("/flightspecials/{id}/header", Resource({"POST": specials.update_header})),
        Route("/travelbuddy/flightspecials", on_sale),
        Route("/travelbuddy/flightspecials/", on_sale),
        Route("/healthz", Resource({"GET": probes.live})),
        Route("/readyz", Resource({"GET": probes.ready})),
    ]
