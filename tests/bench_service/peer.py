"""The peer: FastAPI and SQLAlchemy (async, asyncpg) as their guides write it. argv: port, database address."""

import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import BigInteger, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The models' base."""


class Special(Base):
    """The table of the service."""

    __tablename__ = "flightspecial"
    __table_args__ = {"schema": "travelbuddy"}  # noqa: RUF012 - SQLAlchemy reads it
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    header: Mapped[str]
    body: Mapped[str | None]
    origin: Mapped[str | None]
    origin_code: Mapped[str | None]
    destination: Mapped[str | None]
    destination_code: Mapped[str | None]
    cost: Mapped[int | None]
    expiry_date: Mapped[datetime | None]


class Out(BaseModel):
    """The response."""

    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, populate_by_name=True)
    id: int
    header: str
    body: str | None
    origin: str | None
    origin_code: str | None
    destination: str | None
    destination_code: str | None
    cost: int | None
    expiry_date: datetime | None


class Change(BaseModel):
    """The body of a header update."""

    id: int
    flight_special_header: str = Field(alias="flightSpecialHeader", min_length=1, max_length=255)


def application(address: str) -> FastAPI:
    """The three operations that are measured."""
    engine = create_async_engine(address, pool_size=10, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    app = FastAPI()

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    Opened = Annotated[AsyncSession, Depends(session)]

    @app.get("/flightspecials", response_model=list[Out])
    async def every(session: Opened) -> object:
        found = await session.scalars(select(Special).order_by(Special.expiry_date, Special.id))
        return found.all()

    @app.get("/flightspecials/{number}", response_model=Out)
    async def one(number: int, session: Opened) -> object:
        special = await session.get(Special, number)
        if special is None:
            raise HTTPException(404)
        return special

    @app.post("/flightspecials/{number}/header")
    async def header(number: int, change: Change, session: Opened) -> dict[str, str]:
        special = await session.get(Special, number)
        if special is None:
            raise HTTPException(404)
        special.header = change.flight_special_header
        await session.commit()
        return {"resultCode": "Y", "data": "The flight special header successfully updated"}

    return app


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
